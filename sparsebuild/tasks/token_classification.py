"""Tags on words: preparing sentences for a tagger, and scoring what it says.

    files ─read_sentences→ words, tags ─Cutter→ pieces ─SplitWriter→ .npy files

The files are read once, in flat memory; all bad rows are told together. All rows are checked and give their labels,
however few of them are taken: fewer rows make no other model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import ClassVar

from sparsebuild.tasks.base import Request, Teller
from sparsebuild.tasks.entities import score
from sparsebuild.tasks.labels import OUTSIDE, check_declared, label_table, map_labels
from sparsebuild.tasks.parquet_rows import class_names
from sparsebuild.tasks.pieces import copy_tokenizer
from sparsebuild.tasks.prepared import PreparedSplit
from sparsebuild.tasks.splits import Count, Splits

__all__ = [
    "TokenClassification",
    "gold_tags",
    "label_table",
    "map_labels",
    "predictions_to_tags",
    "prepare",
    "score",
]


@dataclass(frozen=True, slots=True)
class TokenClassification:
    """The registry's entry: the functions below, under the names that every task has."""

    name: ClassVar[str] = "token-classification"

    def prepare(self, request: Request, out: Path, tell: Teller) -> None:
        prepare(request, out, tell)


def prepare(request: Request, out: Path, tell: Teller) -> None:
    """Leave in `out`: a folder per split (see prepared.py), labels.json, tokenizer/, report.json, and words.jsonl with
    the words of each validation sentence, for people to read.

    The bytes depend on what the rows say and on the tokenizer, never on the files' names, places or format.
    Raises one DataError for all rows that are wrong.
    """
    request = replace(request, labels=request.labels or _class_names(request))
    if request.labels is not None:
        check_declared(request.labels)
    splits = Splits(request, out, tell)
    labels = splits.write()
    if request.holdout:
        _tell_held(splits.counts, tell)
    for split, count in splits.counts.items():
        if count.sentences < count.there:
            tell.say(f"{split}: the first {count.sentences} of {_counted(count.there, 'sentence')} taken")
    for split, count in splits.counts.items():
        _tell_losses(split, count, request.max_length, tell)
        _tell_repeats(split, count, tell)
        _tell_empty(split, count, tell)
    _tell_unseen(labels, splits.counts["train"], tell)
    copy_tokenizer(request.tokenizer, out / "tokenizer")
    _write_json(out / "labels.json", labels)
    _write_json(out / "report.json", {split: count.to_json(labels) for split, count in splits.counts.items()})


def gold_tags(split: PreparedSplit, labels: Sequence[str]) -> list[list[str]]:
    """The tags of every word, of those that were dropped or cut off too."""
    return [[labels[number] for number in split.tags(i)] for i in range(len(split))]


def predictions_to_tags(
    split: PreparedSplit,
    best: Sequence[Sequence[int]],  # per sentence, the best label of each first piece, in order
    labels: Sequence[str],
) -> list[list[str]]:
    """A tag for every word of every sentence: `O` for a word that the model did not see."""
    tags = []
    for i, row in enumerate(best):
        words = split.words(i)
        sentence = [OUTSIDE] * len(split.tags(i))
        for place, number in zip(words[words >= 0], row, strict=True):
            sentence[place] = labels[number]
        tags.append(sentence)
    return tags


def _class_names(request: Request) -> tuple[str, ...] | None:
    """The label table that the training rows bring with them, if they do; of several files the tables joined."""
    found = [class_names(file.path, request.label_column) for file in request.files["train"]]
    return tuple(dict.fromkeys(chain.from_iterable(found))) or None


def _tell_losses(split: str, count: Count, max_length: int, tell: Teller) -> None:
    dropped, cut_off, sentences = count.words_without_pieces, count.words_cut_off, count.sentences_cut_off
    if dropped:
        fate = "kept, and predicted as `O`" if split != "unlabelled" else "left out"
        tell.say(f"{split}: the tokenizer makes no piece of {_counted(dropped, 'word')}: {fate}")
    if cut_off:
        fate = "not learnt from" if split in ("train", "unlabelled") else "counted as predicted `O`"
        longer = f"{_counted(sentences, 'sentence')} longer than {max_length} pieces"
        tell.say(f"{split}: {_counted(cut_off, 'word')} cut off from {longer}: {fate}")


def _tell_held(counts: Mapping[str, Count], tell: Teller) -> None:
    held, trained = counts["validation"].there, counts["train"].there
    both = _counted(held + trained, "sentence")
    tell.say(f"validation: {held} of {both} set aside from the training rows")


def _tell_repeats(split: str, count: Count, tell: Teller) -> None:
    if count.repeated and split != "unlabelled":
        same = f"{count.sentences_in_train} of {_counted(count.sentences, 'sentence')}"
        tell.warn(f"{split}: {same} stand in train too, word for word, first in {count.repeated}: scores flatter")


def _tell_empty(split: str, count: Count, tell: Teller) -> None:
    if count.tags and not count.entities:
        tell.warn(f"{split}: no sentence has an entity, so every F1 on it is 0")


def _tell_unseen(labels: Sequence[str], train: Count, tell: Teller) -> None:
    if unseen := [label for label in labels if label != OUTSIDE and not train.tags[label]]:
        tell.warn(f"train: no word has the tag {', '.join(unseen)}: the model will not learn it")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
