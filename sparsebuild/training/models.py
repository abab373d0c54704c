"""Models on disk: opened with nothing missing, saved so that anything opens them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparsebuild.encoders import encoder_of
from sparsebuild.errors import TargetFailed, UserError
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training.shapes import fits_config, resize, set_layers, set_neurons
from sparsebuild.training.sparseml import is_wrapped, plain_tensors, wrapped_structure
from sparsebuild.training.structure import Structure, apply_structure, is_head

__all__ = ["labels_of", "labels_there", "open_dense", "open_float_model", "open_model", "open_pretrained", "save_model"]

_CLASSIFIER = "classifier"  # what gives each label its logit, in every encoder that can be trained
_HEADS_DROPOUT = "classifier_dropout"  # of configs that may give the head another one


def open_pretrained(folder: Path, labels: Sequence[str], dropout: float | None, seed: int) -> Any:
    """A model to train for `labels`: its encoder from `folder`, its classifier from there too or fresh from `seed`.

    A classifier for the same labels in another order is put in theirs, one for other labels gives way to a fresh one.
    """
    torch.manual_seed(seed)
    model, info = _load(folder, labels, dropout)
    other = [key for key, *_ in info["mismatched_keys"] if not is_head(key)]
    if other:
        raise UserError(
            f"{len(other)} tensors of the model, such as `{other[0]}`, have other sizes than its config says"
        )
    missing = [k for k in info["missing_keys"] if not is_head(k)]
    if missing:
        raise UserError(
            f"the model lacks {len(missing)} tensors of its encoder, such as `{missing[0]}`",
            hint="is it an encoder such as BERT, saved with save_pretrained?",
        )
    fresh = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    if _CLASSIFIER not in {name.rpartition(".")[0] for name in fresh}:
        fresh.update(_suit_classifier(model, labels_there(folder), labels))
    _rebuild(model, folder, {name.rpartition(".")[0] for name in fresh})
    return model


def open_model(folder: Path) -> Any:
    """A finished token classifier, quantized as its structure says, in evaluation mode; every tensor must be there."""
    model = open_float_model(folder)
    _rebuild(model, folder)
    return model.eval()


def open_float_model(folder: Path) -> Any:
    """The same without quantization: what plain `from_pretrained` gives."""
    model, info = _load(folder, None, None)
    wrong = [*info["missing_keys"], *info["unexpected_keys"], *(str(k) for k in info["mismatched_keys"])]
    if wrong:
        raise TargetFailed(
            f"the model in {folder.name}/ has missing or unexpected tensors: {', '.join(wrong[:5])}",
            hint="it has no classifier yet: fine-tune it first, as `target:teacher`"
            if all(map(is_head, wrong))
            else "",
        )
    return model.eval()


def open_dense(folder: Path) -> Any:
    """The network that a model was cut out of, with weights that mean nothing: as large and as fast as it was.

    Of a model that nothing was cut out of, that model.
    """
    from transformers import AutoConfig

    structure = Structure.read(folder)
    if structure is None or structure.dense is None:
        return open_float_model(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    set_layers(config, structure.dense.layers)
    set_neurons(config, structure.dense.neurons)
    torch.manual_seed(0)
    return _unfilled(config).eval()


def save_model(model: nn.Module, structure: Structure, folder: Path) -> None:
    """Write `config.json`, `model.safetensors` with the float model's tensors, and `structure.json`.

    Observers' ranges go to the structure alone: plain `from_pretrained` must find no tensor that it does not know.
    """
    folder.mkdir(parents=True, exist_ok=True)
    float_names = {name for name, _ in model.named_parameters()}
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if k in float_names}
    implementation = model.config._attn_implementation  # type: ignore[union-attr]
    model.set_attn_implementation("sdpa")  # type: ignore[operator]  # ours is not a name that others know
    try:
        model.save_pretrained(folder, state_dict=weights)  # type: ignore[operator]
    finally:
        model.set_attn_implementation(implementation)  # type: ignore[operator]
    structure.write(folder)


def labels_of(model: Any) -> list[str]:
    """The label names of a classifier, by id."""
    return [model.config.id2label[i] for i in range(model.config.num_labels)]


def labels_there(folder: Path) -> list[str] | None:
    """The label names, by id, of the token classifier that a checkpoint is; None where it is something else.

    A config that does not say what it is of, but names labels, is taken for one.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    names = [config.id2label[i] for i in range(len(config.id2label))]
    if config.architectures:
        return names if "ForTokenClassification" in str(config.architectures) else None
    return None if names == [f"LABEL_{i}" for i in range(len(names))] else names


def _suit_classifier(model: Any, there: Sequence[str] | None, labels: Sequence[str]) -> Sequence[str]:
    """Give the classifier that was loaded the order of `labels`; the names of what is fresh where it knew others."""
    if there == list(labels):
        return ()
    classifier = model.get_submodule(_CLASSIFIER)
    with torch.no_grad():
        if there is not None and sorted(there) == sorted(labels):
            order = [there.index(label) for label in labels]
            for parameter in classifier.parameters():
                parameter.copy_(parameter[order].clone())
            return ()
        classifier.weight.normal_(std=model.config.initializer_range)
        classifier.bias.zero_()
    return [f"{_CLASSIFIER}.{name}" for name, _ in classifier.named_parameters()]


def _load(folder: Path, labels: Sequence[str] | None, dropout: float | None) -> tuple[Any, dict[str, Any]]:
    wrapped = _wrapped(folder)
    if wrapped is None:
        return _load_plain(folder, labels, dropout)
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory(prefix="sparsebuild-") as unwrapped:
        save_file(plain_tensors(wrapped), Path(unwrapped) / "model.safetensors", metadata={"format": "pt"})
        shutil.copyfile(folder / "config.json", Path(unwrapped) / "config.json")
        return _load_plain(Path(unwrapped), labels, dropout)


def _load_plain(folder: Path, labels: Sequence[str] | None, dropout: float | None) -> tuple[Any, dict[str, Any]]:
    from transformers import AutoConfig, AutoModelForTokenClassification
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    encoder = encoder_of(config.model_type)
    if labels is not None:
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: i for i, name in enumerate(labels)}
    if dropout is not None:
        for name in encoder.dropouts:
            setattr(config, name, dropout)
        if getattr(config, _HEADS_DROPOUT, None) is not None:
            setattr(config, _HEADS_DROPOUT, dropout)
    structure = Structure.read(folder)
    if structure and structure.layers and not fits_config(config, structure.layers):
        return _load_cut(folder, config, structure.layers)
    model, info = AutoModelForTokenClassification.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # a head for another task, which gives way to a fresh one; the rest is refused
        output_loading_info=True,
    )
    return model, info


def _unfilled(config: Any) -> Any:
    """The model that `config` describes, before its weights are loaded."""
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]


def _load_cut(folder: Path, config: Any, layers: Mapping[str, LayerShape]) -> tuple[Any, dict[str, Any]]:
    """A model some of whose heads, or of some layers' neurons, are gone, which a config cannot say."""
    from safetensors.torch import load_file

    model = _unfilled(config)
    resize(model, layers)
    tensors, own = load_file(folder / "model.safetensors"), model.state_dict()
    other = {name for name, tensor in tensors.items() if name in own and own[name].shape != tensor.shape}
    found = model.load_state_dict({k: v for k, v in tensors.items() if k not in other}, strict=False)
    return model, {
        "missing_keys": [name for name in found.missing_keys if name not in other],
        "unexpected_keys": found.unexpected_keys,
        "mismatched_keys": [(name, tensors[name].shape, own[name].shape) for name in sorted(other)],
    }


def _rebuild(model: Any, folder: Path, fresh: Collection[str] = ()) -> None:
    """Quantize `model` as the structure beside its weights says, or SparseML's observers among them, if there are any.

    What a checkpoint knows of itself is all that counts: no schedule is replayed, and a new recipe begins with this.
    What it knew of heads that are `fresh`, or of another task, is of no use.
    """
    structure = Structure.read(folder)
    if structure is None and (wrapped := _wrapped(folder)):
        structure = wrapped_structure(wrapped)
        encoder = encoder_of(model.config.model_type)
        inside = (f"{encoder.layers}.", encoder.embeddings)
        known = {name for name, _ in model.named_modules()}
        fresh = {*fresh, *(name for name in structure.plan if name not in known and not name.startswith(inside))}
    if structure:
        apply_structure(model, structure.without(fresh))


def _wrapped(folder: Path) -> dict[str, Tensor] | None:
    """The tensors of a model that SparseML saved after its quantization began; None for any other model."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    names: list[str] = []
    for file in files:
        with safe_open(file, framework="pt") as opened:
            names += opened.keys()
    if not is_wrapped(names):
        return None
    return {name: tensor for file in files for name, tensor in load_file(file).items()}
