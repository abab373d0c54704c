"""Cutting word by word gives what the tokenizer gives for whole sentences."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.errors import UserError
from sparsebuild.tasks import pieces
from sparsebuild.tasks.pieces import Cutter, copy_tokenizer, load_tokenizer

TINY = Path(__file__).parents[1] / "cases" / "data" / "tokenizer"
WORDS = st.text(st.sampled_from("abthe.é\ufe0f東 "), max_size=6) | st.sampled_from(
    ["the", "acme", "[SEP]", "##a", "\u200b"]
)


@cache
def cutter(length: int) -> Cutter:
    return Cutter(load_tokenizer(TINY, length), length)


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
    [cut] = cutter(length).cut([words])
    assert (cut.input_ids, cut.words) == by_the_library(words, length)


@given(st.lists(WORDS, min_size=1, max_size=9), st.integers(3, 12))
def test_a_word_is_seen_or_dropped_or_cut_off(words: list[str], length: int) -> None:
    [cut] = cutter(length).cut([words])
    seen = [place for place in cut.words if place >= 0]
    assert sorted([*seen, *cut.dropped, *cut.cut_off]) == list(range(len(words)))
    assert len(cut.input_ids) == len(cut.words) <= length


def test_a_dropped_word_past_the_limit_is_dropped_and_not_cut_off() -> None:
    [cut] = cutter(4).cut([["the", "\ufe0f", "the", "the", "\ufe0f"]])
    assert (cut.words, cut.dropped, cut.cut_off) == ([-1, 0, 2, -1], (1, 4), (3,))


def test_a_word_whose_end_is_cut_is_still_seen() -> None:
    [cut] = cutter(4).cut([["the", "xyz", "a"]])
    assert (cut.words, cut.cut_off) == ([-1, 0, 1, -1], (2,))


def test_forgetting_words_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_REMEMBERED", 1)
    forgetful = Cutter(load_tokenizer(TINY, 12), 12)
    sentences = [["the", "acme"], ["acme", "team"], ["the", "the"]]
    assert [[*forgetful.cut([s])] for s in sentences] == [[*cutter(12).cut([s])] for s in sentences]


def test_padding_and_limits_of_the_tokenizer_file_do_not_count(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(TINY, 12)
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_bytes((TINY / "tokenizer_config.json").read_bytes())
    loaded = Cutter(load_tokenizer(tmp_path, 12), 12)
    assert [*loaded.cut([["the", "acme"]])] == [*cutter(12).cut([["the", "acme"]])]


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


def test_a_tokenizer_that_needs_spaces_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(UserError, match="joins words by their spaces"):
        load_tokenizer(tmp_path, 12)
