"""Sentences out of rows: words, and a tag for each, checked."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sparsebuild.registry import did_you_mean
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.holdout import number_of
from sparsebuild.tasks.labels import WHOSE_LABELS, is_tag
from sparsebuild.tasks.rows import DataFile, Row, kind_of, read_rows, shortened

__all__ = ["Columns", "Sentence", "read_sentences"]

_PLAIN = {str, int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns hold the words and the tags; no `labels` where there are none to read."""

    text: str
    labels: str | None

    @property
    def keys(self) -> Mapping[str, str]:
        """Column -> the key of `sparse.toml` that names it."""
        named = {self.text: "data.text_column"}
        return {**named, self.labels: "data.label_column"} if self.labels is not None else named


class Sentence(NamedTuple):
    """One row, as the user wrote it. A tuple, since millions are made, and go from one process to another."""

    file: str
    line: int
    words: Sequence[str]  # at least one
    number: int  # of the words, see `number_of`
    tags: Sequence[str]  # one a word; empty where the columns have no labels


def read_sentences(
    files: Sequence[DataFile],
    columns: Columns,
    declared: Sequence[str] | None,  # the declared label table; tags may then be numbers too
    complaints: Complaints,
) -> Iterator[Sentence]:
    """The sentences of all files in turn; a row that is wrong is left out and complained about."""
    for file in files:
        known: dict[str | int, str] = {}  # tags of the file that were looked at and are right -> their names
        for row in read_rows(file, columns.keys, complaints):
            sentence = _sentence(file, row, columns, declared, known)
            if isinstance(sentence, _Wrong):
                message = f"column `{sentence.column}`: {sentence.message}"
                complaints.add(message, file.name, row.line, hint=sentence.hint)
            else:
                yield sentence


@dataclass(frozen=True, slots=True)
class _Wrong:
    column: str
    message: str
    hint: str = ""


def _sentence(
    file: DataFile, row: Row, columns: Columns, declared: Sequence[str] | None, known: dict[str | int, str]
) -> Sentence | _Wrong:
    words = row.values[columns.text]
    number = _number(words)
    if isinstance(number, str):
        return _Wrong(columns.text, number)
    if columns.labels is None:
        return Sentence(file=file.name, line=row.line, words=words, number=number, tags=())
    tags = row.values[columns.labels]
    if not isinstance(tags, list):
        return _Wrong(columns.labels, f"a list of tags is wanted, this is {_shown(tags)}")
    if len(tags) != len(words):
        return _Wrong(
            columns.labels, f"{_count(tags, 'tag')} for {_count(words, 'word')}\n{_side_by_side(words, tags)}"
        )
    names = _known_names(tags, known)
    if None in names:
        names = [_name(tag, declared, file.table or declared) for tag in tags]
        for place, (tag, name) in enumerate(zip(tags, names, strict=True)):
            if name is None:
                where = f"word {place + 1}, `{shortened(words[place])}`"
                return _Wrong(columns.labels, *_wrong_tag(tag, where, declared, file.table))
        known.update(zip(tags, names, strict=True))
    return Sentence(file=file.name, line=row.line, words=words, number=number, tags=names)


def _known_names(tags: Sequence[Any], known: Mapping[str | int, str]) -> list[Any]:
    """The name of each tag, None for one that was not looked at: of nearly every row all are found, and at once."""
    if {*map(type, tags)} <= _PLAIN:  # else True and 1.0 would be found as 1, and a list cannot be looked for
        return [*map(known.get, tags)]
    return [None]


def _number(words: Any) -> int | str:
    """The number of the words in the text column, or what is wrong with them."""
    if not isinstance(words, list):
        return f"a list of words is wanted, this is {_shown(words)}"
    if not words:
        return "the sentence is empty"
    try:
        return number_of(words)
    except TypeError:
        place, word = next((i, word) for i, word in enumerate(words, 1) if not isinstance(word, str))
        return f"word {place} is {_shown(word)}, not text"
    except UnicodeEncodeError:
        return "a word holds half of a surrogate pair (\\ud800 to \\udfff), which is no character"


def _name(tag: Any, declared: Sequence[str] | None, table: Sequence[str] | None) -> str | None:
    """The tag by name: as it is, or by its number in the table. None if there is no such tag."""
    name = _by_number(tag, table or ())
    if not isinstance(name, str):
        return None
    known = name in declared if declared is not None else is_tag(name)
    return name if known else None


def _by_number(tag: Any, table: Sequence[str]) -> Any:
    """The tag by name if it is a number of the table; else as it is.

    Files without numbers have them as text; no tag reads as one.
    """
    if isinstance(tag, str) and tag.isdecimal() and len(tag) < 10:
        tag = int(tag)
    is_number = isinstance(tag, int) and not isinstance(tag, bool)
    return table[tag] if is_number and 0 <= tag < len(table) else tag


def _wrong_tag(tag: Any, where: str, declared: Sequence[str] | None, table: Sequence[str]) -> tuple[str, str]:
    """A message and a hint. `table` is that of the file's own dataset, where it has another one."""
    shown = f"tag `{shortened(tag if isinstance(tag, str) else json.dumps(tag, default=repr))}` ({where})"
    name = _by_number(tag, table)
    if table and not isinstance(name, str):
        return f"{shown} is not in the label table of its dataset", f"there are: {', '.join(table)}"
    if table and name != tag:
        tag, shown = name, f"{shown}, in its dataset `{shortened(name)}`,"
    if declared is not None:
        listed = f"the labels are {', '.join(declared)}; {WHOSE_LABELS}"
        return f"{shown} is not in the label table", " ".join(filter(None, [_near(tag, declared), listed]))
    if isinstance(tag, int) or (isinstance(tag, str) and tag.isdecimal()):
        return f"{shown} is no name", "tags that are numbers need the list of their names: `data.labels`"
    return f"{shown} is none of `O`, `B-TYPE`, `I-TYPE`", ""


def _near(tag: Any, declared: Collection[str]) -> str:
    return did_you_mean(tag, declared) if isinstance(tag, str) else ""


def _side_by_side(words: Sequence[str], tags: Sequence[Any]) -> str:
    """Both lists, one under the other, as far as a line goes."""
    return f"  words: {shortened(' '.join(words), 100)}\n  tags:  {shortened(' '.join(map(str, tags)), 100)}"


def _count(items: Sequence[Any], noun: str) -> str:
    return f"{len(items)} {noun}" if len(items) == 1 else f"{len(items)} {noun}s"


def _shown(value: Any) -> str:
    kind = kind_of(value)
    return kind if value is None or isinstance(value, dict | list | bool) else f"{kind} (`{shortened(str(value))}`)"
