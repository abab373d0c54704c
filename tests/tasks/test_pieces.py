"""Cutting word by word gives what the tokenizer gives for whole sentences."""

import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.tasks import pieces
from sparsebuild.tasks.pieces import Cutter, copy_tokenizer, load_tokenizer

TINY = Path(__file__).parents[1] / "cases" / "data" / "tokenizer"
WORDS = st.text(st.sampled_from("abthe.é\ufe0f東 "), max_size=6) | st.sampled_from(
    ["the", "acme", "[SEP]", "##a", "\u200b"]
)


@cache
def cutter(length: int) -> Cutter:
    return Cutter(load_tokenizer(TINY, length), length)


def one(cutter: Cutter, words: Sequence[str]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Of a sentence: ids, places of words, words that were dropped, words that were cut off."""
    cut = cutter.cut([words])
    dropped, cut_off = (np.flatnonzero(which).tolist() for which in (cut.is_dropped, cut.is_cut_off))
    return cut.input_ids.tolist(), cut.places.tolist(), dropped, cut_off


def by_the_library(words: Sequence[str], length: int) -> tuple[list[int], list[int]]:
    """Its own truncation, of the whole sentence."""
    tokenizer = load_tokenizer(TINY, length)
    tokenizer.enable_truncation(length)
    encoding = tokenizer.encode(list(words), is_pretokenized=True)
    places = encoding.word_ids
    first = [-1 if w is None or w in places[:k] else w for k, w in enumerate(places)]
    return encoding.ids, first


@settings(deadline=None, max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=9), st.integers(3, 12))
def test_as_the_library_does_it(words: list[str], length: int) -> None:
    assert one(cutter(length), words)[:2] == by_the_library(words, length)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=9), min_size=1, max_size=4), st.integers(3, 12))
def test_sentences_together_are_cut_as_each_by_itself(sentences: list[list[str]], length: int) -> None:
    cut = cutter(length).cut(sentences)
    alone = [one(cutter(length), words) for words in sentences]
    assert cut.input_ids.tolist() == [i for ids, *_ in alone for i in ids]
    assert cut.places.tolist() == [place for _, places, *_ in alone for place in places]
    assert cut.sizes.tolist() == [len(ids) for ids, *_ in alone]
    assert cut.word_counts.tolist() == [len(words) for words in sentences]
    seen = cut.firsts[cut.firsts >= 0]
    assert cut.places[seen].tolist() == [place for _, places, *_ in alone for place in places if place >= 0]


@given(st.lists(WORDS, min_size=1, max_size=9), st.integers(3, 12))
def test_a_word_is_seen_or_dropped_or_cut_off(words: list[str], length: int) -> None:
    ids, places, dropped, cut_off = one(cutter(length), words)
    seen = [place for place in places if place >= 0]
    assert sorted([*seen, *dropped, *cut_off]) == list(range(len(words)))
    assert len(ids) == len(places) <= length


def test_a_dropped_word_past_the_limit_is_dropped_and_not_cut_off() -> None:
    assert one(cutter(4), ["the", "\ufe0f", "the", "the", "\ufe0f"])[1:] == ([-1, 0, 2, -1], [1, 4], [3])


def test_a_word_whose_end_is_cut_is_still_seen() -> None:
    assert one(cutter(4), ["the", "xyz", "a"])[1:] == ([-1, 0, 1, -1], [], [2])


def test_forgetting_words_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_REMEMBERED", 1)
    forgetful = Cutter(load_tokenizer(TINY, 12), 12)
    sentences = [["the", "acme"], ["acme", "team"], ["the", "the"]]
    assert [one(forgetful, s) for s in sentences] == [one(cutter(12), s) for s in sentences]


def test_padding_and_limits_of_the_tokenizer_file_do_not_count(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(TINY, 12)
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_bytes((TINY / "tokenizer_config.json").read_bytes())
    loaded = Cutter(load_tokenizer(tmp_path, 12), 12)
    assert one(loaded, ["the", "acme"]) == one(cutter(12), ["the", "acme"])


def test_files_are_copied_as_they_are_and_tokenizer_json_is_made(
    tmp_path: Path,
) -> None:
    copy_tokenizer(TINY, tmp_path / "a")
    copy_tokenizer(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a" / "vocab.txt").read_bytes() == (TINY / "vocab.txt").read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert [p.read_bytes() for p in sorted((tmp_path / "a").iterdir())] == [
        p.read_bytes() for p in sorted((tmp_path / "b").iterdir())
    ]


def test_a_tokenizer_that_knows_words_by_spaces_is_given_them(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab={"a": 0, "Ġ": 1, "Ġa": 2}, merges=[("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    assert Cutter(load_tokenizer(tmp_path, 12), 12).cut([["a", "aa"]]).input_ids.tolist() == [2, 2, 0]
    copy_tokenizer(tmp_path, tmp_path / "copy")
    copied = Tokenizer.from_file(str(tmp_path / "copy" / "tokenizer.json"))
    assert copied.encode(["a", "aa"], is_pretokenized=True).ids == [2, 2, 0]
    assert json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text())["add_prefix_space"] is True


# ---- a tokenizer.json that transformers makes anew

TEXT = ["Ada", "Café", "a-b", "[URL]"]
NORMAL = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
CASED, UNCASED = {"normalizer": {**NORMAL, "lowercase": False}}, {"normalizer": {**NORMAL, "lowercase": True}}
LOWER, SPLIT = {"normalizer": {"type": "Lowercase"}}, {"pre_tokenizer": {"type": "WhitespaceSplit"}}
ACCENTS = {"normalizer": {**NORMAL, "lowercase": True, "strip_accents": False}}
BERT = {"tokenizer_class": "BertTokenizer"}
URL = {"content": "[URL]", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}

# Of each: the model's type, its tokenizer_config.json or None, and what its tokenizer.json says.
FOLDERS: dict[str, tuple[str, dict[str, Any] | None, dict[str, Any]]] = {
    "nothing is told": ("bert", None, CASED),
    "nothing stands in it": ("bert", {}, CASED),
    "a class is told": ("bert", BERT, CASED),
    "another class": ("distilbert", {"tokenizer_class": "DistilBertTokenizer"}, CASED),
    "uncased is told": ("bert", {**BERT, "do_lower_case": True}, CASED),
    "cased is told": ("bert", {**BERT, "do_lower_case": False}, UNCASED),
    "another normalizer": ("bert", BERT, LOWER),
    "accents": ("bert", BERT, ACCENTS),
    "another pre-tokenizer": ("bert", {**BERT, "do_lower_case": False}, {**CASED, **SPLIT}),
    "a piece that only the config adds": ("bert", {"do_lower_case": False, "added_tokens_decoder": {"20": URL}}, CASED),
    "unigrams": ("xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer"}, LOWER),
    "French unigrams": ("camembert", {"tokenizer_class": "CamembertTokenizer"}, LOWER),
}
AGREEING = {
    "as its class makes it": ("bert", {**BERT, "do_lower_case": False}, CASED),
    "read as it is": ("bert", {"tokenizer_class": "PreTrainedTokenizerFast"}, {**LOWER, **SPLIT}),
}


def write_folder(folder: Path, kind: str, config: dict[str, Any] | None, told: dict[str, Any]) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    is_bert = kind in ("bert", "distilbert")
    marks = ["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"] if is_bert else ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
    plain = ("ada", "Ada", "cafe", "Cafe", "Café", "a-b", "a", "b", "-")
    words = [*marks, *(plain if is_bert else (f"▁{word}" for word in plain))]
    if is_bert:
        tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    else:
        tokenizer = Tokenizer(models.Unigram([(word, -1.0) for word in words], unk_id=3))
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    before, after = marks[:2]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{before} $A {after}",
        pair=f"{before}:0 $A:0 {after}:0 $B:1 {after}:1",
        special_tokens=[(before, 0), (after, 1)],
    )
    tokenizer.add_special_tokens(marks)
    (folder / "tokenizer.json").write_text(json.dumps({**json.loads(tokenizer.to_str()), **told}))
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("folder", [*FOLDERS, *AGREEING])
def test_rows_are_cut_as_whoever_opens_the_copied_files_cuts(folder: str, tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    write_folder(tmp_path, *{**FOLDERS, **AGREEING}[folder])
    copy_tokenizer(tmp_path, tmp_path / "copy")
    shutil.copyfile(tmp_path / "config.json", tmp_path / "copy" / "config.json")
    ours = Cutter(load_tokenizer(tmp_path, 32), 32).cut([TEXT]).input_ids.tolist()
    file = Tokenizer.from_file(str(tmp_path / "copy" / "tokenizer.json"))
    assert file.encode(TEXT, is_pretokenized=True).ids == ours
    assert AutoTokenizer.from_pretrained(tmp_path / "copy")(TEXT, is_split_into_words=True).input_ids == ours


@pytest.mark.parametrize("folder", AGREEING)
def test_a_file_that_says_what_transformers_reads_is_copied_as_it_is(folder: str, tmp_path: Path) -> None:
    write_folder(tmp_path, *AGREEING[folder])
    copy_tokenizer(tmp_path, tmp_path / "copy")
    assert (tmp_path / "copy" / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
