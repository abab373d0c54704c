"""Rows out of files, one at a time, whatever the format; a format is one file, and one line of the table below.

jsonl    one object a line.
json     an array of objects; or one object a line, which is what many tools write under this name.
csv      RFC 4180, a header first; a cell of a column that is asked for holds a list as JSON text.
conll    a word a line and its tag in another column, a blank line after each sentence.
parquet  as `datasets` writes it; the numbers of a column of class labels are read as the names that the file gives.
The format is the one that is declared; else the file's name tells it, and else its beginning. Text is UTF-8, with or
without a byte order mark, plain or packed by gzip or zstd. A file is never held in memory whole.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from sparsebuild.registry import did_you_mean, lookup
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.streams import Damaged, beginning, nobody

__all__ = [
    "FORMATS",
    "ColumnKeys",
    "DataFile",
    "Reader",
    "Row",
    "complain_of_file",
    "format_of",
    "kind_of",
    "missing",
    "quoted",
    "read_rows",
    "shortened",
]

ColumnKeys = Mapping[str, str]  # the columns that are asked for, text first -> the key of the manifest that names each

FORMATS: Mapping[str, str] = {
    "jsonl": "sparsebuild.tasks.json_rows:read_lines",
    "json": "sparsebuild.tasks.json_rows:read_json",
    "csv": "sparsebuild.tasks.csv_rows:read",
    "conll": "sparsebuild.tasks.conll_rows:read",
    "parquet": "sparsebuild.tasks.parquet_rows:read",
}

_PACKED = (".gz", ".zst")
_NAMES = {**{f".{name}": name for name in FORMATS}, ".ndjson": "jsonl", ".bio": "conll", ".iob": "conll"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file to read, the name by which the user knows it, and its format where that is declared."""

    path: Path
    name: str
    format: str = ""  # one of FORMATS
    table: tuple[str, ...] = ()  # what its numbers of tags mean; empty where the declared labels say that
    seen: Callable[[int], None] = nobody  # is told how many bytes of it were read, stretch by stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: the values of the columns that were asked for."""

    line: int  # where it begins, from 1; of Parquet the number of the row
    values: Mapping[str, Any]


Reader = Callable[[DataFile, ColumnKeys, Complaints], Iterator[Row]]


def read_rows(file: DataFile, columns: ColumnKeys, complaints: Complaints) -> Iterator[Row]:
    """The rows of a file that have all `columns`; whatever cannot be read becomes a complaint."""
    try:
        kind = format_of(file, columns)
        if not kind:
            hint = f"say it with `data.format`: {quoted(FORMATS)}"
            complaints.add(f"neither its name nor its beginning tells how to read {file.name}", file.name, hint=hint)
            return
        read: Reader = lookup(FORMATS, kind, "format")
        yield from read(file, columns, complaints)
    except UnicodeDecodeError as error:
        complaints.add(f"{file.name} is not UTF-8: {error.reason}", file.name, hint="save it as UTF-8")
    except Damaged as error:
        complaints.add(f"{file.name} cannot be read: {error}", file.name)


def format_of(file: DataFile, columns: ColumnKeys) -> str:
    """The name of a file's format, or "" if there is no telling; raises Damaged for one that cannot be unpacked."""
    name = PurePath(file.path.name.lower())
    suffix = PurePath(name.stem).suffix if name.suffix in _PACKED else name.suffix
    return file.format or _NAMES.get(suffix) or _begins_like(beginning(file.path), columns)


def _begins_like(head: bytes, columns: ColumnKeys) -> str:
    """The format of a file that begins with `head`, if that is one that cannot be mistaken."""
    from sparsebuild.tasks.conll_rows import looks_like_conll

    text = head.decode("utf-8-sig", errors="replace")
    if head.startswith(b"PAR1"):
        return "parquet"
    if looks_like_conll(text):
        return "conll"
    if text.lstrip().startswith(("{", "[")):
        return "json"
    try:
        header = next(csv.reader(text.splitlines()), [])
    except csv.Error:
        header = []
    return "csv" if set(columns) <= set(header) else ""


def complain_of_file(
    file: DataFile, line: int, absent: list[str], columns: ColumnKeys, there: list[str], complaints: Complaints
) -> None:
    """Tell which columns a whole file lacks, and where to say what they are called."""
    for column in absent:
        near = did_you_mean(column, there)
        hint = f"there are {quoted(there)}; set `{columns[column]}` to the one you mean"
        message = f"there is no column `{column}`" if line else f"{file.name} has no column `{column}`"
        complaints.add(message, file.name, line, hint=f"{near} {hint}" if near else hint)


def missing(columns: ColumnKeys, there: Collection[str]) -> list[str]:
    """The columns that are asked for and are not there."""
    return [column for column in columns if column not in there]


def quoted(names: Iterable[str]) -> str:
    """Names in a row, for a message."""
    return ", ".join(f"`{name}`" for name in names) or "none"


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")  # Parquet has more kinds


def shortened(text: str, longest: int = 40) -> str:
    """Text to show in a message: not too long, and nothing in it that a terminal would obey."""
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return text if text.isprintable() else repr(text)[1:-1]
