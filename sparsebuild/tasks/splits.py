"""The splits of data about words, written while their rows are read: every row is read once, checked, cut and stored.

Which number a tag has in the label table is known when all training rows were seen. Until then it has the one of the
order in which tags came up; `Splits.settle` puts the others into the files, which takes no time beside reading.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sparsebuild.tasks.base import SPLITS, Request, Teller
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.entities import beginnings
from sparsebuild.tasks.labels import OUTSIDE, label_table
from sparsebuild.tasks.pieces import Cut, Cutter, load_tokenizer
from sparsebuild.tasks.prepared import NO_LABEL, NO_TAG, SplitWriter, renumber
from sparsebuild.tasks.reading import Reading
from sparsebuild.tasks.repeats import Repeats
from sparsebuild.tasks.sentences import Columns, Sentence

__all__ = ["Count", "Splits"]


@dataclass(slots=True)
class Count:
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
    tags: Counter[str] = field(default_factory=Counter)  # how many words have each; none of a split without tags
    there: int = 0  # sentences that could have been taken; not in the report
    repeated: str = ""  # where the first of the sentences in train stands; not in the report

    def add(self, cut: Cut, tags: np.ndarray, names: Sequence[str]) -> None:
        """Take in a batch; `tags` (w,) are the numbers of its words' tags, which are places in `names`."""
        self.sentences += len(cut.sizes)
        self.words += len(cut.firsts)
        self.pieces += len(cut.input_ids)
        self.longest = max(self.longest, int(cut.sizes.max()))
        self.words_without_pieces += int(cut.is_dropped.sum())
        self.words_cut_off += int(cut.is_cut_off.sum())
        first_words = np.cumsum(cut.word_counts) - cut.word_counts
        self.sentences_cut_off += int(np.logical_or.reduceat(cut.is_cut_off, first_words).sum())
        if tags[0] != NO_TAG:
            self.tags.update(dict(zip(names, np.bincount(tags).tolist(), strict=False)))
            self.entities += beginnings(tags, first_words, names)

    def to_json(self, labels: Sequence[str]) -> dict[str, Any]:
        unsaid = ("tags", "there", "repeated")
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in unsaid}
        return {**found, "tags": {label: self.tags[label] for label in labels} if self.tags else {}}


class Splits:
    """Reads the files of a request, those of train first, and leaves a folder per split under `out` (see prepared.py)
    and words.jsonl with the words of each validation sentence.
    """

    def __init__(self, request: Request, out: Path, tell: Teller) -> None:
        """UserError if the model's tokenizer cannot serve."""
        self.counts: dict[str, Count] = {}
        self._complaints = Complaints()
        self._request, self._out, self._tell = request, out, tell
        self._cutter = Cutter(load_tokenizer(request.tokenizer, request.max_length), request.max_length)
        self._numbers = _Numbers({label: number for number, label in enumerate(request.labels or ())})
        self._labels = tuple(request.labels or ())
        self._trained = Repeats()
        self._invisible = Complaints()  # of words; told when nothing else is wrong
        self._writers: dict[str, SplitWriter] = {}
        self._open = ExitStack()  # closes them
        self._bytes_read = 0
        self._bytes = sum(file.path.stat().st_size for files in request.files.values() for file in files)

    def write(self) -> tuple[str, ...]:
        """Read all there is; the label table. Raises one DataError for all rows that are wrong."""
        with self._open:
            for split in SPLITS:
                if self._request.files.get(split):
                    self._read(split)
        self._complaints.raise_if_any()
        self._invisible.raise_if_any()
        self._settle()
        self.counts = {split: self.counts[split] for split in SPLITS if split in self.counts}
        return self._labels

    def _read(self, split: str) -> None:
        """Read the files of a split, which may hold rows for validation too."""
        before, tags, holdout = len(self._complaints), _Tags(), self._request.holdout if split == "train" else None
        sides = (split, "validation") if holdout else (split,)
        for batch in self._reading(split).batches():
            held = [holdout is not None and holdout.holds(sentence.words) for sentence in batch.sentences]
            for is_held, side in enumerate(sides):
                if sentences := [sentence for sentence, h in zip(batch.sentences, held, strict=True) if h == is_held]:
                    self._add(side, sentences, tags)
            self._complaints.take(batch.complaints)
            self._bytes_read += batch.bytes_read
            if batch.sentences:
                self._tell.progress(self._bytes_read, self._bytes, sum(count.there for count in self.counts.values()))
        if len(self._complaints) == before:
            self._complain_unless_enough(split, {side: self.counts.get(side, Count()).there for side in sides})
        declared = self._request.labels is not None
        if split == "train" and not declared and not self._complaints:
            self._labels = label_table(list(self._numbers)[number] for number in tags.first)
            self._complain_unless_entities()
        elif self._labels and not declared:
            self._complain_of_new(tags)

    def _add(self, split: str, sentences: Sequence[Sentence], seen: _Tags) -> None:
        """Take what is still wanted of some sentences for a split; the tags of all are seen."""
        count = self.counts.setdefault(split, Count())
        tags = self._numbers.of(sentences)
        seen.add(sentences, tags)
        wanted = self._request.most.get(split, count.there + len(sentences)) - count.there
        count.there += len(sentences)
        if wanted <= 0:
            return
        taken = sentences[:wanted]
        cut = self._cutter.cut([sentence.words for sentence in taken])
        tags = tags[: len(cut.firsts)]
        self._complain_of_invisible(taken, cut)
        if split not in self._writers:
            self._writers[split] = self._open.enter_context(SplitWriter(self._out / split))
        labels = np.full(len(cut.input_ids), NO_LABEL, np.int32)
        is_seen = cut.firsts >= 0
        if taken[0].tags:
            labels[cut.firsts[is_seen]] = tags[is_seen]
        self._writers[split].extend(cut.input_ids, labels, cut.places, tags, cut.sizes, cut.word_counts)
        count.add(cut, tags, list(self._numbers))
        self._compare(split, taken, count)
        if split == "validation":
            with (self._out / "words.jsonl").open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps(s.words, ensure_ascii=False) + "\n" for s in taken)

    def _settle(self) -> None:
        """Put the numbers of the label table into the files that have others."""
        names = list(self._numbers)
        if names != list(self._labels[: len(names)]):
            numbers = np.array([self._labels.index(name) for name in names], np.int32)
            for split in self._writers:
                if self.counts[split].tags:
                    renumber(self._out / split, numbers)

    def _reading(self, split: str) -> Reading:
        labels = None if split == "unlabelled" else self._request.label_column
        columns = Columns(text=self._request.text_column, labels=labels)
        return Reading(files=self._request.files[split], columns=columns, declared=self._request.labels)

    def _compare(self, split: str, sentences: Sequence[Sentence], count: Count) -> None:
        """Remember what is trained on, and count what else has the same words."""
        numbers = [sentence.number for sentence in sentences]
        if split == "train":
            self._trained.learn(numbers)
        elif not self._request.holdout or split != "validation":  # of what is set aside nothing is in train
            for sentence, is_known in zip(sentences, self._trained.among(numbers), strict=True):
                count.sentences_in_train += is_known
                if is_known and not count.repeated:
                    count.repeated = f"{sentence.file}:{sentence.line}"

    def _complain_unless_enough(self, split: str, sides: dict[str, int]) -> None:
        names, rows = self._names(split), sum(sides.values())
        if not rows:
            self._complaints.add(f"the {split} data have no rows: {names}", names)
        for side, count in sides.items():
            if rows and not count and self._request.holdout:
                some = f"{rows} {'row' if rows == 1 else 'rows'}"
                message = f"`data.validation_fraction` = {self._request.holdout.fraction} of {some}"
                hint = "change it, or `data.validation_seed`; or name rows of their own with `data.validation`"
                self._complaints.add(f"{message} leaves none for {side}: {names}", names, hint=hint)

    def _complain_unless_entities(self) -> None:
        """A table of one label is what rows have whose tags stand elsewhere; what learns it finds nothing."""
        if len(self._labels) == 1:
            names, column = self._names("train"), self._request.label_column
            message = f"column `{column}`: no training row has an entity, every tag is `{OUTSIDE}`: {names}"
            hint = "name the column that has the tags as `data.label_column`, or declare `data.labels`"
            self._complaints.add(message, names, hint=hint)

    def _complain_of_new(self, tags: _Tags) -> None:
        """Tags that no training row has."""
        names = list(self._numbers)
        for number, sentence in tags.first.items():
            if names[number] not in self._labels:
                times = "once" if tags.times[number] == 1 else f"{tags.times[number]} times"
                used = f"tag `{names[number]}` is used {times} here, but never in {self._names('train')}"
                hint = "no model can learn it: add training rows with it, take it out, or declare `data.labels`"
                message = f"column `{self._request.label_column}`: {used}"
                self._complaints.add(message, sentence.file, sentence.line, hint=hint)

    def _complain_of_invisible(self, sentences: Sequence[Sentence], cut: Cut) -> None:
        """An entity in a word that the model never sees can be neither learnt nor found."""
        ends = np.cumsum(cut.word_counts)
        for k in np.flatnonzero(cut.is_dropped):
            i = int(np.searchsorted(ends, k, side="right"))
            sentence, place = sentences[i], int(k - ends[i] + cut.word_counts[i])
            tag = sentence.tags[place] if sentence.tags else OUTSIDE
            if tag != OUTSIDE:
                word = f"word {place + 1}, {sentence.words[place]!a}"  # such words are often invisible
                message = f"{word}, has the tag `{tag}`, but the model's tokenizer makes no piece of it"
                hint = "the model never sees such a word: tag it `O`, or take it out"
                column = f"column `{self._request.label_column}`"
                self._invisible.add(f"{column}: {message}", sentence.file, sentence.line, hint=hint)

    def _names(self, split: str) -> str:
        return ", ".join(file.name for file in self._request.files[split])


class _Numbers(dict[str, int]):
    """Each tag's number; a new one gets the next."""

    def __missing__(self, tag: str) -> int:
        self[tag] = number = len(self)
        return number

    def of(self, sentences: Sequence[Sentence]) -> np.ndarray:
        """(words,) int32: one each, -1 where the sentences have no tags."""
        if not sentences[0].tags:
            return np.full(sum(len(sentence.words) for sentence in sentences), NO_TAG, np.int32)
        return np.fromiter(map(self.__getitem__, chain.from_iterable(s.tags for s in sentences)), np.int32)


class _Tags:
    """The tags of a split's files by number, each with the sentence it was first seen in and how often it was seen."""

    def __init__(self) -> None:
        self.first: dict[int, Sentence] = {}
        self.times = Counter[int]()

    def add(self, sentences: Sequence[Sentence], tags: np.ndarray) -> None:
        if not sentences[0].tags:
            return
        ends = np.cumsum([len(sentence.words) for sentence in sentences])
        times = np.bincount(tags)
        found = np.flatnonzero(times).tolist()
        self.times.update({number: int(times[number]) for number in found})
        places = {number: int(np.argmax(tags == number)) for number in found if number not in self.first}
        for number in sorted(places, key=places.__getitem__):
            self.first[number] = sentences[int(np.searchsorted(ends, places[number], side="right"))]
