"""The encoders that can be trained, and how each calls its parts: a row for every `model_type` of a `config.json`.

A model of another type is refused by its name before anything is trained: names would mean nothing in it, and nobody
has seen one through. `tests/contracts/test_encoders.py` takes a model of each type along the whole path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsebuild.errors import UserError

__all__ = ["ATTENTIONS", "ENCODERS", "TOKENIZER_FILES", "Anatomy", "Encoder", "encoder_of", "head_width", "longest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """Where one kind of encoder has its heads and neurons; paths below a layer.

    A matrix with several copies holds them one after the other: of its rows those of each copy go.
    """

    attention: str
    from_heads: str  # the Linear whose columns read the heads
    to_heads: tuple[str, ...]  # the Linears whose rows make them
    from_neurons: str
    to_neurons: tuple[str, ...]
    copies: int = 1  # of the heads in a matrix of `to_heads`
    neuron_copies: int = 1
    head_counts: tuple[str, ...] = ("num_attention_heads",)  # attributes of `attention` that say how many there are
    widths: tuple[str, ...] = ("all_head_size",)  # that say how wide they are together
    neurons_setting: str = "intermediate_size"  # of the config


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """What a token classifier of one type is made of, by the names in it."""

    base: str  # stands before the names of the encoder's tensors once there is a classifier
    layers: str  # the list of its layers
    embeddings: str
    attention: str  # the class that multiplies queries, keys and values by a function that can be given
    anatomy: Anatomy
    head: tuple[str, ...] = ("classifier.weight", "classifier.bias")  # fresh where the checkpoint has none
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")  # in its config
    counts_from_padding: bool = False  # positions begin after the padding's number
    first_layer_stays: bool = False  # it is built otherwise than the others


_BERT = Anatomy(
    attention="attention.self",
    from_heads="attention.output.dense",
    to_heads=("attention.self.query", "attention.self.key", "attention.self.value"),
    from_neurons="output.dense",
    to_neurons=("intermediate.dense",),
)
_DISTILBERT = Anatomy(
    attention="attention",
    from_heads="attention.out_lin",
    to_heads=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    from_neurons="ffn.lin2",
    to_neurons=("ffn.lin1",),
    head_counts=("n_heads",),
    widths=(),
    neurons_setting="hidden_dim",
)
_MODERNBERT = Anatomy(
    attention="attn",
    from_heads="attn.Wo",
    to_heads=("attn.Wqkv",),
    from_neurons="mlp.Wo",
    to_neurons=("mlp.Wi",),
    copies=3,  # queries, keys, values
    neuron_copies=2,  # what goes through the activation, and what it is multiplied by
    head_counts=(),  # it counts them by the width of the matrix
    widths=(),
)


def _like_bert(base: str, attention: str, *, counts_from_padding: bool = False) -> Encoder:
    return Encoder(
        base=base,
        layers=f"{base}.encoder.layer",
        embeddings=f"{base}.embeddings",
        attention=attention,
        anatomy=_BERT,
        counts_from_padding=counts_from_padding,
    )


ENCODERS: Mapping[str, Encoder] = {
    "bert": _like_bert("bert", "BertSelfAttention"),
    "electra": _like_bert("electra", "ElectraSelfAttention"),
    "roberta": _like_bert("roberta", "RobertaSelfAttention", counts_from_padding=True),
    "xlm-roberta": _like_bert("roberta", "XLMRobertaSelfAttention", counts_from_padding=True),
    "camembert": _like_bert("roberta", "CamembertSelfAttention", counts_from_padding=True),
    "distilbert": Encoder(
        base="distilbert",
        layers="distilbert.transformer.layer",
        embeddings="distilbert.embeddings",
        attention="DistilBertSelfAttention",
        anatomy=_DISTILBERT,
        dropouts=("dropout", "attention_dropout"),
    ),
    "modernbert": Encoder(
        base="model",
        layers="model.layers",
        embeddings="model.embeddings",
        attention="ModernBertAttention",
        anatomy=_MODERNBERT,
        head=("head.dense.weight", "head.norm.weight", "classifier.weight", "classifier.bias"),
        dropouts=("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"),
        first_layer_stays=True,  # it has no norm before its attention: the embeddings have just been through one
    ),
}
ATTENTIONS = frozenset(encoder.attention for encoder in ENCODERS.values())

_HEADS = (("hidden_size", "dim"), ("num_attention_heads", "n_heads"))  # DistilBERT has names of its own

# What transformers reads a tokenizer from, but for what needs sentencepiece, which is no dependency of ours: of a model
# these are fetched, and what is built has those that its model had.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")  # those of them without one of which there is none


def encoder_of(model_type: str, where: str = "") -> Encoder:
    """The row of a type; UserError, with the types that there are, for one that has none.

    `where` is the setting that names the model, if one is known.
    """
    if model_type not in ENCODERS:
        told = f"`{where}`: " if where else ""
        raise UserError(
            f"{told}models of type `{model_type}` cannot be trained here",
            hint=f"there are: {', '.join(sorted(ENCODERS))}",
        )
    return ENCODERS[model_type]


def longest(config: Mapping[str, Any]) -> int | None:
    """How many pieces a model reads at most by its `config.json`; None where that does not say."""
    most = config.get("max_position_embeddings")
    if not isinstance(most, int):
        return None
    encoder = ENCODERS.get(str(config.get("model_type")))
    return most - int(config.get("pad_token_id") or 0) - 1 if encoder and encoder.counts_from_padding else most


def head_width(config: Mapping[str, Any]) -> int | None:
    """How wide a head is by a `config.json`, which keeps the number of heads that the dense model has; None where that
    does not say.
    """
    width, heads = (config.get(one, config.get(other)) for one, other in _HEADS)
    return width // heads if isinstance(width, int) and isinstance(heads, int) and 0 < heads <= width else None
