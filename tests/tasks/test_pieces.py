"""Cutting word by word gives what the tokenizer gives for whole sentences."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

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
