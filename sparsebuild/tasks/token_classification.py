"""Tags on words: preparing sentences for a tagger, and scoring what it says.

    files ─read_sentences→ words, tags ─(label table)→ numbers ─Cutter→ pieces ─SplitWriter→ .npy files

The files are read twice: once to check every row and to find the labels, once to encode. So a bad row is told before
any work is done, all bad rows are told together, and memory stays flat.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

from sparsebuild.tasks.base import SPLITS, Request, Teller
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.entities import Scores, score, spans
from sparsebuild.tasks.labels import OUTSIDE, check_declared, labels_of, map_labels
from sparsebuild.tasks.pieces import Cutter, Pieces, copy_tokenizer, load_tokenizer
from sparsebuild.tasks.prepared import NO_LABEL, NO_TAG, PreparedSplit, SplitWriter
from sparsebuild.tasks.rows import class_names
from sparsebuild.tasks.sentences import Columns, Sentence, read_sentences

__all__ = [
    "TokenClassification",
    "gold_tags",
    "labels_of",
    "map_labels",
    "predictions_to_tags",
    "prepare",
    "score",
]

_BATCH = 1000  # sentences


@dataclass(frozen=True, slots=True)
class TokenClassification:
    """The registry's entry: the functions below, under the names that every task has."""

    name: ClassVar[str] = "token-classification"
    model_class: ClassVar[str] = "AutoModelForTokenClassification"

    def prepare(self, request: Request, out: Path, tell: Teller) -> None:
        prepare(request, out, tell)

    def gold(self, split: PreparedSplit, labels: Sequence[str]) -> list[list[str]]:
        return gold_tags(split, labels)

    def predicted(self, split: PreparedSplit, best: Sequence[Sequence[int]], labels: Sequence[str]) -> list[list[str]]:
        return predictions_to_tags(split, best, labels)

    def score(self, gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Scores:
        return score(gold, predicted)


def prepare(request: Request, out: Path, tell: Teller) -> None:
    """Leave in `out`: a folder per split (see prepared.py), labels.json, tokenizer/ and report.json.

    The bytes depend on what the rows say and on the tokenizer, never on the files' names, places or format.
    Raises one DataError for all rows that are wrong.
    """
    complaints = Complaints()
    request = replace(request, labels=request.labels or _class_names(request))
    labels, sentences = _check(request, complaints)
    complaints.raise_if_any()
    encoder = _Encoder(request, labels, complaints, lambda done: tell.progress(done, sentences))
    counts = {split: encoder.write(split, out / split) for split in _splits(request)}
    complaints.raise_if_any()
    for split, count in counts.items():
        _tell_losses(split, count, request.max_length, tell)
    copy_tokenizer(request.tokenizer, out / "tokenizer")
    _write_json(out / "labels.json", labels)
    _write_json(out / "report.json", {split: asdict(count) for split, count in counts.items()})


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
    """The label table that the training rows bring with them."""
    found = (class_names(file, request.label_column) for file in request.files["train"])
    return next(filter(None, found), None)


def _check(request: Request, complaints: Complaints) -> tuple[tuple[str, ...], int]:
    """Read every row once: complain about the wrong ones, count the others, find the labels."""
    if request.labels is not None:
        check_declared(request.labels)
    labels, sentences = tuple(request.labels or ()), 0
    for split in _splits(request):
        tags = _Tags()
        sentences += _look_through(split, request, tags, complaints)
        if split == "train" and request.labels is None and not complaints:
            labels = labels_of(tags.first)
        elif labels and request.labels is None:
            tags.complain_unless_in(labels, request, complaints)
    return labels, sentences


def _look_through(split: str, request: Request, tags: _Tags, complaints: Complaints) -> int:
    """The number of rows of a split that are right."""
    before, count = len(complaints), 0
    for sentence in _sentences(split, request, complaints):
        count += 1
        tags.add(sentence)
    if not count and len(complaints) == before:
        names = ", ".join(file.name for file in request.files[split])
        complaints.add(f"the {split} data have no rows: {names}", names)
    return count


def _splits(request: Request) -> list[str]:
    return [split for split in SPLITS if request.files.get(split)]


def _sentences(split: str, request: Request, complaints: Complaints) -> Iterator[Sentence]:
    columns = Columns(text=request.text_column, labels=None if split == "unlabelled" else request.label_column)
    return read_sentences(request.files[split], columns, request.labels, complaints)


class _Tags:
    """The tags of a split, each with the sentence it was first seen in and how often it was seen."""

    def __init__(self) -> None:
        self.first: dict[str, Sentence] = {}
        self.times = Counter[str]()

    def add(self, sentence: Sentence) -> None:
        self.times.update(sentence.tags)
        for tag in sentence.tags:
            self.first.setdefault(tag, sentence)

    def complain_unless_in(self, labels: Sequence[str], request: Request, complaints: Complaints) -> None:
        trained = ", ".join(file.name for file in request.files["train"])
        for tag, sentence in self.first.items():
            if tag not in labels:
                times = "once" if self.times[tag] == 1 else f"{self.times[tag]} times"
                message = f"column `{request.label_column}`: tag `{tag}` is used {times} here, but never in {trained}"
                hint = "no model can learn it: add training rows with it, take it out, or declare `data.labels`"
                complaints.add(message, sentence.file, sentence.line, hint=hint)


@dataclass(slots=True)
class _Count:
    """What report.json says of a split."""

    sentences: int = 0
    words: int = 0
    entities: int = 0
    pieces: int = 0
    longest: int = 0  # pieces of the longest sentence, as kept
    words_without_pieces: int = 0
    sentences_cut_off: int = 0
    words_cut_off: int = 0

    def add(self, sentence: Sentence, pieces: Pieces) -> None:
        self.sentences += 1
        self.words += len(sentence.words)
        self.entities += len(spans(sentence.tags))
        self.pieces += len(pieces.input_ids)
        self.longest = max(self.longest, len(pieces.input_ids))
        self.words_without_pieces += len(pieces.dropped)
        self.sentences_cut_off += bool(pieces.cut_off)
        self.words_cut_off += len(pieces.cut_off)


class _Encoder:
    """Writes splits, and knows how far it is."""

    def __init__(
        self, request: Request, labels: Sequence[str], complaints: Complaints, progress: Callable[[int], None]
    ) -> None:
        self._request, self._complaints, self._progress, self._done = request, complaints, progress, 0
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._cutter = Cutter(load_tokenizer(request.tokenizer, request.max_length), request.max_length)

    def write(self, split: str, folder: Path) -> _Count:
        count = _Count()
        with SplitWriter(folder) as writer:
            for batch in _batches(_sentences(split, self._request, self._complaints)):
                words = [sentence.words for sentence in batch]
                for sentence, pieces in zip(batch, self._cutter.cut(words), strict=True):
                    self._complain_about_dropped(sentence, pieces)
                    writer.add(pieces.input_ids, *self._numbered(sentence, pieces))
                    count.add(sentence, pieces)
                self._done += len(batch)
                self._progress(self._done)
        return count

    def _numbered(self, sentence: Sentence, pieces: Pieces) -> tuple[list[int], list[int], list[int]]:
        """Labels and words, one a piece, and tags, one a word."""
        if not sentence.tags:
            return [NO_LABEL] * len(pieces.words), pieces.words, [NO_TAG] * len(sentence.words)
        tags = [self._numbers[tag] for tag in sentence.tags]
        return [tags[place] if place >= 0 else NO_LABEL for place in pieces.words], pieces.words, tags

    def _complain_about_dropped(self, sentence: Sentence, pieces: Pieces) -> None:
        """An entity in a word that the model never sees can be neither learnt nor found."""
        for place in pieces.dropped if sentence.tags else ():
            tag, word = sentence.tags[place], ascii(sentence.words[place])  # such words are often invisible
            if tag != OUTSIDE:
                message = (
                    f"word {place + 1}, {word}, has the tag `{tag}`, but the model's tokenizer makes no piece of it"
                )
                hint = "the model never sees such a word: tag it `O`, or take it out"
                column = self._request.label_column
                self._complaints.add(f"column `{column}`: {message}", sentence.file, sentence.line, hint=hint)


def _tell_losses(split: str, count: _Count, max_length: int, tell: Teller) -> None:
    dropped, cut_off, sentences = count.words_without_pieces, count.words_cut_off, count.sentences_cut_off
    if dropped:
        fate = "kept, and predicted as `O`" if split != "unlabelled" else "left out"
        tell.say(f"{split}: the tokenizer makes no piece of {_counted(dropped, 'word')}: {fate}")
    if cut_off:
        fate = "not learnt from" if split in ("train", "unlabelled") else "counted as predicted `O`"
        longer = f"{_counted(sentences, 'sentence')} longer than {max_length} pieces"
        tell.say(f"{split}: {_counted(cut_off, 'word')} cut off from {longer}: {fate}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _batches(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    remaining = iter(sentences)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
