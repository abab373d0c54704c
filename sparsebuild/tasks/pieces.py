"""Words to word pieces, with the model's own tokenizer.

A tokenizer that is given words treats each by itself. So each different word is asked for once, which is several times
faster than whole sentences, and what lies past the limit is known to the word.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsebuild.encoders import TOKENIZER_FILES, longest
from sparsebuild.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["Cut", "Cutter", "copy_tokenizer", "load_tokenizer"]

_REMEMBERED = 200_000  # words
_TOGETHER = 64  # words in one call of the tokenizer, which costs less than one each


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The pieces of n sentences that have w words in all: p pieces, special ones included, sentence by sentence."""

    input_ids: np.ndarray  # (p,) int32
    places: np.ndarray  # (p,) int32: the word's place in its sentence on its first piece, else -1
    sizes: np.ndarray  # (n,) int64: pieces of each sentence
    firsts: np.ndarray  # (w,) int64: where in `input_ids` a word's first piece is; -1 for a word without one
    is_dropped: np.ndarray  # (w,) bool: words of which the tokenizer makes nothing; other words without are cut off
    word_counts: np.ndarray  # (n,) int64

    @property
    def is_cut_off(self) -> np.ndarray:
        """(w,) bool: words that lie wholly past the last piece of their sentence."""
        cut_off: np.ndarray = (self.firsts < 0) & ~self.is_dropped
        return cut_off


class Cutter:
    """Cuts sentences into pieces, at most `max_length` each, special pieces included."""

    def __init__(self, tokenizer: Tokenizer, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._before, self._after = _special_pieces(tokenizer)
        self._room = max_length - len(self._before) - len(self._after)
        self._known: dict[str, int] = {}  # each word's number; the pieces of all of them lie in one array
        self._pieces = np.empty(0, np.int32)
        self._begins, self._lengths = np.empty(0, np.int64), np.empty(0, np.int64)  # of each word in `_pieces`

    def cut(self, sentences: Sequence[Sequence[str]]) -> Cut:
        """The pieces of sentences, none of which is empty: whole arrays at a time, as a loop over words is slow."""
        counts = np.fromiter(map(len, sentences), np.int64, len(sentences))
        found = self._found([*chain.from_iterable(sentences)])
        lengths = self._lengths[found]  # pieces of each word
        ids = self._pieces[_stretches(self._begins[found], lengths)]
        first_word = _starts(counts)
        totals = np.add.reduceat(lengths, first_word)  # pieces of each sentence, before anything is cut off
        kept = np.minimum(totals, self._room)
        before, sizes = len(self._before), kept + len(self._before) + len(self._after)
        begin = _starts(sizes)  # of each sentence in what comes out

        inside = np.arange(len(ids)) - np.repeat(_starts(totals), totals)  # each piece's place in its sentence
        is_kept = inside < self._room
        input_ids = np.empty(sizes.sum(), np.int32)
        input_ids[(np.repeat(begin + before, totals) + inside)[is_kept]] = ids[is_kept]
        for k, special in enumerate(self._before):
            input_ids[begin + k] = special
        for k, special in enumerate(self._after):
            input_ids[begin + before + kept + k] = special

        start = _starts(lengths) - np.repeat(_starts(totals), counts)  # each word's first piece in its sentence
        is_seen = (lengths > 0) & (start < self._room)
        firsts = np.where(is_seen, np.repeat(begin + before, counts) + start, -1)
        places = np.full(len(input_ids), -1, np.int32)
        places[firsts[is_seen]] = (np.arange(len(found)) - np.repeat(first_word, counts))[is_seen]
        return Cut(
            input_ids=input_ids,
            places=places,
            sizes=sizes,
            firsts=firsts,
            is_dropped=lengths == 0,
            word_counts=counts,
        )

    def _found(self, words: Sequence[str]) -> np.ndarray:
        """(words,) int64: each word's number; forgets all once there are too many, so that memory stays flat."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
            self._pieces, self._begins, self._lengths = self._pieces[:0], self._begins[:0], self._lengths[:0]
        found = np.fromiter(map(self._known.get, words, repeat(-1)), np.int64, len(words))
        places = np.flatnonzero(found < 0).tolist()
        if places:
            self._learn([*dict.fromkeys(words[place] for place in places)])
            found[places] = [self._known[words[place]] for place in places]
        return found

    def _learn(self, new: Sequence[str]) -> None:
        """Know the pieces of words that are not known."""
        several = [new[k : k + _TOGETHER] for k in range(0, len(new), _TOGETHER)]
        encodings = self._tokenizer.encode_batch(several, is_pretokenized=True, add_special_tokens=False)
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int32)
        lengths = np.concatenate([_pieces_of_words(*pair) for pair in zip(several, encodings, strict=True)])
        self._known.update(zip(new, range(len(self._known), len(self._known) + len(new)), strict=True))
        self._begins = np.concatenate([self._begins, len(self._pieces) + _starts(lengths)])
        self._lengths = np.concatenate([self._lengths, lengths])
        self._pieces = np.concatenate([self._pieces, ids])


def _pieces_of_words(words: Sequence[str], encoding: Encoding) -> np.ndarray:
    """(words,) int64: how many pieces each has; what comes out stands in the order of the words."""
    whose = np.array(encoding.word_ids, np.int64)
    return np.bincount(whose, minlength=len(words))


def _starts(sizes: np.ndarray) -> np.ndarray:
    """Where each of several stretches begins, one after the other."""
    starts: np.ndarray = np.cumsum(sizes) - sizes
    return starts


def _stretches(
    begins: np.ndarray,  # (n,)
    sizes: np.ndarray,  # (n,)
) -> np.ndarray:  # (sum of sizes,) the places begins[i] … begins[i] + sizes[i] - 1, one stretch after the other
    places: np.ndarray = np.repeat(begins - _starts(sizes), sizes) + np.arange(sizes.sum())
    return places


def load_tokenizer(folder: Path, max_length: int) -> Tokenizer:
    """The tokenizer of the model in `folder`; UserError if it, or `max_length`, cannot serve."""
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(
            f"the model's tokenizer cannot be read: {str(error).splitlines()[0]}",
            hint="a model needs its tokenizer beside its weights: `tokenizer.json`, or `vocab.txt` for BERT",
        ) from None
    if not loaded.is_fast:
        raise UserError("the model has only a slow tokenizer, which cannot tell which piece belongs to which word")
    tokenizer: Tokenizer = loaded.backend_tokenizer
    _put_spaces_before_words(tokenizer)
    _check_length(folder, tokenizer, max_length)
    tokenizer.no_padding()  # a tokenizer.json may ask for both
    tokenizer.no_truncation()
    return tokenizer


def copy_tokenizer(folder: Path, destination: Path) -> None:
    """Put the model's tokenizer files into `destination`, so that whoever opens them cuts as we do.

    They stay as they are, but `tokenizer.json` is what `load_tokenizer` cuts with where the model's is another one or
    missing: transformers makes many a tokenizer anew, of that file's vocabulary and what `tokenizer_config.json` says,
    while ONNX Runtime's and OpenVINO's users, `try` and transformers.js read the file alone. Where spaces have to be
    put before words that are given, both files say so.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    destination.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, destination / name)
    loaded = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
    tokenizer = loaded.backend_tokenizer
    is_changed = _put_spaces_before_words(tokenizer)
    file = destination / "tokenizer.json"
    if not file.exists() or Tokenizer.from_file(str(file)).to_str() != tokenizer.to_str():
        tokenizer.save(str(file))
    if is_changed:
        path = destination / "tokenizer_config.json"
        config = json.loads(path.read_bytes()) if path.exists() else {}
        path.write_text(
            json.dumps({**config, "add_prefix_space": True}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def _put_spaces_before_words(tokenizer: Tokenizer) -> bool:
    """Let a tokenizer that knows words by the spaces before them (RoBERTa, ModernBERT) see one before each.

    A word that is given by itself has none, and would be cut as if it were the middle of another. False if nothing had
    to be changed.
    """
    from tokenizers.pre_tokenizers import Sequence as Several

    changed = False
    before: Any = tokenizer.pre_tokenizer
    parts: Any = before if isinstance(before, Several) else [before]
    for part in parts:
        if getattr(part, "add_prefix_space", True) is False:
            part.add_prefix_space = True
            changed = True
    return changed


def _special_pieces(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The pieces that the tokenizer puts before and after a sentence."""
    encoding = tokenizer.encode(["a"], is_pretokenized=True)
    words = [place for place, word in enumerate(encoding.word_ids) if word is not None]
    if not words:
        raise UserError("the model's tokenizer makes nothing of the word `a`")
    return encoding.ids[: words[0]], encoding.ids[words[-1] + 1 :]


def _check_length(folder: Path, tokenizer: Tokenizer, max_length: int) -> None:
    special = tokenizer.num_special_tokens_to_add(False)
    if max_length <= special:
        raise UserError(f"`data.max_length` is {max_length}: {special} pieces are special ones, none is left for words")
    config = folder / "config.json"
    most = longest(json.loads(config.read_bytes())) if config.is_file() else None
    if most is not None and max_length > most:
        raise UserError(f"`data.max_length` is {max_length}, but the model reads at most {most} pieces")
