"""Tags on words: preparing sentences for a tagger, and scoring what it says.

    files ─read_sentences→ words, tags ─(label table)→ numbers ─Cutter→ pieces ─SplitWriter→ .npy files

The files are read twice: once to check every row and to find the labels, once to encode. So a bad row is told before
any work is done, all bad rows are told together, and memory stays flat. All rows are checked and give their labels,
however few of them are taken: fewer rows make no other model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sparsebuild.tasks.base import SPLITS, Request, Teller
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.entities import Scores, beginnings, score
from sparsebuild.tasks.holdout import Holdout
from sparsebuild.tasks.labels import OUTSIDE, check_declared, labels_of, map_labels
from sparsebuild.tasks.parquet_rows import class_names
from sparsebuild.tasks.pieces import Cut, Cutter, copy_tokenizer, load_tokenizer
from sparsebuild.tasks.prepared import NO_LABEL, NO_TAG, PreparedSplit, SplitWriter
from sparsebuild.tasks.repeats import Repeats
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
    """Leave in `out`: a folder per split (see prepared.py), labels.json, tokenizer/, report.json, and words.jsonl with
    the words of each validation sentence, for people to read.

    The bytes depend on what the rows say and on the tokenizer, never on the files' names, places or format.
    Raises one DataError for all rows that are wrong.
    """
    complaints = Complaints()
    request = replace(request, labels=request.labels or _class_names(request))
    labels, there = _check(request, complaints)
    complaints.raise_if_any()
    taken = {split: min(count, request.most.get(split, count)) for split, count in there.items()}
    _tell_taken(request, there, taken, tell)
    encoder = _Encoder(request, labels, complaints, lambda done: tell.progress(done, sum(taken.values())))
    counts = {split: encoder.write(split, out / split) for split in taken}
    complaints.raise_if_any()
    for split, count in counts.items():
        _tell_losses(split, count, request.max_length, tell)
        _tell_repeats(split, count, tell)
    _tell_unseen(labels, counts["train"], tell)
    copy_tokenizer(request.tokenizer, out / "tokenizer")
    _write_words(out / "words.jsonl", _taken("validation", request, complaints))
    _write_json(out / "labels.json", labels)
    _write_json(out / "report.json", {split: count.to_json(labels) for split, count in counts.items()})


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
    found = (class_names(file.path, request.label_column) for file in request.files["train"])
    return next(filter(None, found), None)


def _check(request: Request, complaints: Complaints) -> tuple[tuple[str, ...], dict[str, int]]:
    """Read every row once: complain about the wrong ones, find the labels, count the others of each split."""
    if request.labels is not None:
        check_declared(request.labels)
    labels, there = tuple(request.labels or ()), Counter[str]()
    for split in _given(request):
        tags = _Tags()
        there.update(_looked_through(split, request, tags, complaints))
        if split == "train" and request.labels is None and not complaints:
            labels = labels_of(tags.first)
        elif labels and request.labels is None:
            tags.complain_unless_in(labels, request, complaints)
    return labels, {split: there[split] for split in SPLITS if there[split]}


def _looked_through(split: str, request: Request, tags: _Tags, complaints: Complaints) -> Counter[str]:
    """How many rows of the files of a split are right, and for which split each is."""
    before, count = len(complaints), Counter[str]()
    for sentence in _read(split, request, complaints):
        count[_side(split, sentence, request.holdout)] += 1
        tags.add(sentence)
    if len(complaints) == before:
        _complain_unless_enough(split, request, count, complaints)
    return count


def _complain_unless_enough(split: str, request: Request, count: Counter[str], complaints: Complaints) -> None:
    names = ", ".join(file.name for file in request.files[split])
    if not count:
        complaints.add(f"the {split} data have no rows: {names}", names)
    elif split == "train" and request.holdout:
        for side in ("train", "validation"):
            if not count[side]:
                message = f"`data.validation_fraction` = {request.holdout.fraction} of {_counted(count.total(), 'row')}"
                hint = "change it, or `data.validation_seed`; or name rows of their own with `data.validation`"
                complaints.add(f"{message} leaves none for {side}: {names}", names, hint=hint)


def _given(request: Request) -> list[str]:
    """The splits that have files of their own."""
    return [split for split in SPLITS if request.files.get(split)]


def _side(split: str, sentence: Sentence, holdout: Holdout | None) -> str:
    """The split that a sentence out of the files of `split` is for."""
    is_held = split == "train" and holdout is not None and holdout.holds(sentence.words)
    return "validation" if is_held else split


def _read(split: str, request: Request, complaints: Complaints) -> Iterator[Sentence]:
    """Every sentence in the files of a split."""
    columns = Columns(text=request.text_column, labels=None if split == "unlabelled" else request.label_column)
    return read_sentences(request.files[split], columns, request.labels, complaints)


def _taken(split: str, request: Request, complaints: Complaints) -> Iterator[Sentence]:
    """The sentences that are taken for a split."""
    files = split if split in _given(request) else "train"
    found = _read(files, request, complaints)
    if files == "train" and request.holdout:
        found = (sentence for sentence in found if _side(files, sentence, request.holdout) == split)
    return islice(found, request.most.get(split))


class _Tags:
    """The tags of a split, each with the sentence it was first seen in and how often it was seen."""

    def __init__(self) -> None:
        self.first: dict[str, Sentence] = {}
        self.times = Counter[str]()

    def add(self, sentence: Sentence) -> None:
        self.times.update(sentence.tags)
        if not self.first.keys() >= set(sentence.tags):
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
    sentences_in_train: int = 0  # with the same words; of other splits than train
    tags: Sequence[int] = ()  # how many words have each label; none of a split without tags
    repeated: str = ""  # where the first of the sentences in train stands; not in the report

    def add(self, cut: Cut, tags: np.ndarray, labels: Sequence[str]) -> None:
        """Take in a batch; `tags` (w,) are the numbers of its words' labels."""
        self.sentences += len(cut.sizes)
        self.words += len(cut.firsts)
        self.pieces += len(cut.input_ids)
        self.longest = max(self.longest, int(cut.sizes.max()))
        self.words_without_pieces += int(cut.is_dropped.sum())
        self.words_cut_off += int(cut.is_cut_off.sum())
        first_words = np.cumsum(cut.word_counts) - cut.word_counts
        self.sentences_cut_off += int(np.logical_or.reduceat(cut.is_cut_off, first_words).sum())
        if tags[0] != NO_TAG:
            times = np.bincount(tags, minlength=len(labels)).tolist()
            self.tags = [a + b for a, b in zip(self.tags or [0] * len(labels), times, strict=True)]
            self.entities += beginnings(tags, first_words, labels)

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **{name: value for name, value in found.items() if isinstance(value, int)},
            "tags": dict(zip(labels, self.tags, strict=True)) if self.tags else {},
        }


class _Encoder:
    """Writes splits, train first, and knows how far it is."""

    def __init__(
        self, request: Request, labels: Sequence[str], complaints: Complaints, progress: Callable[[int], None]
    ) -> None:
        self._request, self._complaints, self._progress, self._done = request, complaints, progress, 0
        self._labels = labels
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._cutter = Cutter(load_tokenizer(request.tokenizer, request.max_length), request.max_length)
        self._trained = Repeats()

    def write(self, split: str, folder: Path) -> _Count:
        count = _Count()
        with SplitWriter(folder) as writer:
            for batch in _ahead(_batches(_taken(split, self._request, self._complaints))):
                cut = self._cutter.cut([sentence.words for sentence in batch])
                self._complain_about_dropped(batch, cut)
                pieces, words, tags = self._numbered(batch, cut)
                writer.extend(cut.input_ids, pieces, words, tags, cut.sizes, cut.word_counts)
                count.add(cut, tags, self._labels)
                self._compare(split, batch, count)
                self._done += len(batch)
                self._progress(self._done)
        return count

    def _compare(self, split: str, batch: Sequence[Sentence], count: _Count) -> None:
        """Remember what is trained on, and count what else has the same words."""
        words = [sentence.words for sentence in batch]
        if split == "train":
            self._trained.learn(words)
            return
        for sentence, is_known in zip(batch, self._trained.among(words), strict=True):
            count.sentences_in_train += is_known
            if is_known and not count.repeated:
                count.repeated = f"{sentence.file}:{sentence.line}"

    def _numbered(self, sentences: Sequence[Sentence], cut: Cut) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labels and words, one a piece, and tags, one a word."""
        labels = np.full(len(cut.input_ids), NO_LABEL, np.int32)
        if not sentences[0].tags:
            return labels, cut.places, np.full(len(cut.firsts), NO_TAG, np.int32)
        numbers = map(self._numbers.__getitem__, chain.from_iterable(sentence.tags for sentence in sentences))
        tags = np.fromiter(numbers, np.int32, len(cut.firsts))
        is_seen = cut.firsts >= 0
        labels[cut.firsts[is_seen]] = tags[is_seen]
        return labels, cut.places, tags

    def _complain_about_dropped(self, sentences: Sequence[Sentence], cut: Cut) -> None:
        """An entity in a word that the model never sees can be neither learnt nor found."""
        ends = np.cumsum(cut.word_counts)
        for k in np.flatnonzero(cut.is_dropped):
            i = int(np.searchsorted(ends, k, side="right"))
            sentence, place = sentences[i], int(k - ends[i] + cut.word_counts[i])
            tag = sentence.tags[place] if sentence.tags else OUTSIDE
            word = ascii(sentence.words[place])  # such words are often invisible
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


def _tell_taken(request: Request, there: Mapping[str, int], taken: Mapping[str, int], tell: Teller) -> None:
    if request.holdout:
        both = _counted(there["train"] + there["validation"], "sentence")
        tell.say(f"validation: {there['validation']} of {both} set aside from the training rows")
    for split, count in taken.items():
        if count < there[split]:
            tell.say(f"{split}: the first {count} of {_counted(there[split], 'sentence')} taken")


def _tell_repeats(split: str, count: _Count, tell: Teller) -> None:
    if count.repeated and split != "unlabelled":
        same = f"{count.sentences_in_train} of {_counted(count.sentences, 'sentence')}"
        tell.warn(f"{split}: {same} stand in train too, word for word, first in {count.repeated}: scores flatter")


def _tell_unseen(labels: Sequence[str], train: _Count, tell: Teller) -> None:
    if unseen := [label for label, times in zip(labels, train.tags, strict=False) if label != OUTSIDE and not times]:
        tell.warn(f"train: no word has the tag {', '.join(unseen)}: the model will not learn it")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _batches(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    remaining = iter(sentences)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _write_words(path: Path, sentences: Iterable[Sentence]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(sentence.words, ensure_ascii=False) + "\n" for sentence in sentences)


def _ahead(batches: Iterable[list[Sentence]]) -> Iterator[list[Sentence]]:
    """The same, the next one read while one is worked on: the tokenizer leaves Python's lock to others."""
    remaining = iter(batches)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, remaining, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, remaining, None)
            yield batch


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
