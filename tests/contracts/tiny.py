"""Random encoders of each type, with tokenizers that are made of the words of a few sentences: small, and real."""

import json
import random

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LABELS = ["O", "B-person", "I-person", "B-place"]
NAMES, PLACES = ["ada", "charles", "grace", "alan"], ["london", "new", "paris"]
OTHERS = ["wrote", "went", "spoke", "to", "in", "about", ",", "."]

_SIZES = {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24, "num_hidden_layers": 3}
_DISTIL = {"dim": 16, "n_heads": 4, "hidden_dim": 24, "n_layers": 3}
_COUNTED = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
_MODERN = {"pad_token_id": 1, "bos_token_id": 0, "cls_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}

# Of each type: what its config says, how it cuts words, and the class of its tokenizer.
ROWS = {
    "bert": (_SIZES, "pieces", "BertTokenizer"),
    "electra": ({**_SIZES, "embedding_size": 8}, "pieces", "ElectraTokenizer"),
    "roberta": ({**_SIZES, **_COUNTED}, "bytes", "RobertaTokenizer"),
    "xlm-roberta": ({**_SIZES, **_COUNTED}, "unigrams", "XLMRobertaTokenizer"),
    "camembert": ({**_SIZES, **_COUNTED}, "unigrams", "CamembertTokenizer"),
    "distilbert": (_DISTIL, "pieces", "DistilBertTokenizer"),
    "modernbert": ({**_SIZES, **_MODERN, "local_attention": 8}, "bytes", "PreTrainedTokenizerFast"),
}
LONGEST = 40  # pieces


def write_model(kind, folder):
    """A bare encoder, as a model to start from is."""
    from transformers import AutoConfig, AutoModel

    settings, way, named = ROWS[kind]
    tokenizer = _TOKENIZERS[way]()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": named, "model_max_length": LONGEST, **_SPECIAL[way]}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    positions = LONGEST + (settings.get("pad_token_id", 0) + 1 if settings.get("type_vocab_size") == 1 else 0)
    config = AutoConfig.for_model(
        kind,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=positions,
        initializer_range=0.2,  # wide, so that sentences differ in what comes out
        **settings,
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def sentences(count, seed):
    """Rows of words and tags."""
    draw = random.Random(seed)
    for _ in range(count):
        words, tags = [], []
        for _ in range(draw.randint(1, 3)):
            words += [draw.choice(NAMES), draw.choice(NAMES), *draw.sample(OTHERS, 2), draw.choice(PLACES)]
            tags += ["B-person", "I-person", "O", "O", "B-place"]
        yield {"tokens": words, "ner_tags": tags}


def write_rows(folder, **counts):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate(counts.items()):
        lines = [json.dumps(row) + "\n" for row in sentences(count, seed)]
        (folder / f"{split}.jsonl").write_text("".join(lines))


# ---- tokenizers

_TEXT = [" ".join(row["tokens"]) for row in sentences(200, 99)]
_MARKS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
_SPECIAL = {
    "pieces": {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]",
               "mask_token": "[MASK]"},
    "bytes": {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>",
              "unk_token": "<unk>", "mask_token": "<mask>"},
}  # fmt: skip
_SPECIAL["unigrams"] = _SPECIAL["bytes"]


def _pieces():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *NAMES[:3], *PLACES, *OTHERS, "al", "##an"]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(words[:5])
    return tokenizer


def _bytes():
    """As RoBERTa's and ModernBERT's: a word is known by the space before it, and one that is given has none."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=_MARKS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_TEXT, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def _unigrams():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=_MARKS, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(_TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


_TOKENIZERS = {"pieces": _pieces, "bytes": _bytes, "unigrams": _unigrams}
