"""Rows out of files, one at a time: JSON lines, an array of JSON objects, CSV with JSON in its cells, or Parquet.

.jsonl    one object a line.
.json     an array of objects; or one object a line, which is what many tools write under this name.
.csv      RFC 4180, a header first; a cell of a column that is asked for holds a list as JSON text.
.parquet  as `datasets` writes it; the numbers of a column of class labels are read as the names that the file gives.
Text is UTF-8, with or without a byte order mark. Blank lines mean nothing. A file is never held in memory whole.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sparsebuild.registry import did_you_mean
from sparsebuild.tasks.complaints import Complaints

__all__ = ["DataFile", "Row", "class_names", "kind_of", "read_rows", "shortened"]

Columns = Mapping[str, str]  # the columns that are asked for -> the key of the manifest that names them
_CHUNK = 1 << 16  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file to read, and the name by which the user knows it."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: the values of the columns that were asked for."""

    line: int  # where it begins, from 1; of Parquet the number of the row
    values: Mapping[str, Any]


def read_rows(file: DataFile, columns: Columns, complaints: Complaints) -> Iterator[Row]:
    """The rows of a file that have all `columns`; whatever cannot be read becomes a complaint."""
    reader = _READERS.get(file.path.suffix.lower())
    if reader is None:
        known = ", ".join(f"`{suffix}`" for suffix in _READERS)
        complaints.add(f"cannot tell from its name how to read {file.name}", file.name, hint=f"name it {known}")
        return
    try:
        yield from reader(file, columns, complaints)
    except UnicodeDecodeError as error:
        complaints.add(f"{file.name} is not UTF-8: {error.reason}", file.name, hint="save it as UTF-8")


def class_names(file: DataFile, column: str) -> tuple[str, ...]:
    """The names of a column's classes, if the file gives them: Parquet that `datasets` wrote."""
    if file.path.suffix.lower() != ".parquet":
        return ()
    from pyarrow import ArrowInvalid, parquet

    try:
        metadata = parquet.read_schema(file.path).metadata or {}
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return _names_of(features[column])
    except (ArrowInvalid, OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def _names_of(feature: Any) -> tuple[str, ...]:
    """The classes of a feature, or of the items of a list of them."""
    while isinstance(feature, dict) and feature.get("_type") != "ClassLabel":
        feature = feature.get("feature")
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _json_lines(file: DataFile, columns: Columns, complaints: Complaints) -> Iterator[Row]:
    with _opened(file) as stream:
        objects = _objects_of_lines(file, stream, complaints)
        yield from _with_columns(file, objects, columns, complaints)


def _json(file: DataFile, columns: Columns, complaints: Complaints) -> Iterator[Row]:
    with _opened(file) as stream:
        is_array = stream.read(_CHUNK).lstrip().startswith("[")
        stream.seek(0)
        read = _objects_of_array if is_array else _objects_of_lines
        yield from _with_columns(file, read(file, stream, complaints), columns, complaints)


def _csv(file: DataFile, columns: Columns, complaints: Complaints) -> Iterator[Row]:
    with _opened(file) as stream:
        records = _records(file, stream, complaints)
        _, header = next(records, (1, []))
        missing = _missing(columns, header)
        if header and missing:
            _complain_of_file(file, 1, missing, columns, header, complaints)
            return
        for line, cells in records:
            if len(cells) != len(header):
                complaints.add(f"{len(cells)} cells, but the header has {len(header)}", file.name, line)
                continue
            values = _decoded(file, line, dict(zip(header, cells, strict=True)), columns, complaints)
            if values is not None:
                yield Row(line=line, values=values)


def _parquet(file: DataFile, columns: Columns, complaints: Complaints) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(file.path) as opened:
            there = opened.schema_arrow.names
            if missing := _missing(columns, there):
                _complain_of_file(file, 0, missing, columns, there, complaints)
                return
            names = {column: class_names(file, column) for column in columns}
            row = 0
            for batch in opened.iter_batches(batch_size=1000, columns=list(columns)):
                for values in batch.to_pylist():
                    row += 1
                    yield Row(line=row, values={k: _named(v, names[k]) for k, v in values.items()})
    except (ArrowException, OSError) as error:
        complaints.add(f"not Parquet that we read: {shortened(str(error), 200)}", file.name)


def _named(value: Any, names: Sequence[str]) -> Any:
    """The names of the classes whose numbers stand there; a number that is none stays one."""
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


_READERS: Mapping[str, Callable[[DataFile, Columns, Complaints], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _opened(file: DataFile) -> IO[str]:
    # newline="": JSON and CSV have their own idea of what ends a line; U+2028 in a string is not it.
    return file.path.open(encoding="utf-8-sig", newline="")


def _objects_of_lines(file: DataFile, stream: IO[str], complaints: Complaints) -> Iterator[tuple[int, Any]]:
    for line, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            yield line, json.loads(text.rstrip())
        except json.JSONDecodeError as error:
            hint = "a file has one JSON object a line; a `.json` file may also hold one array of objects"
            complaints.add(f"not JSON: {error.msg}", file.name, line, error.colno, hint)
        except RecursionError:
            complaints.add("not JSON that we read: nested too deeply", file.name, line)


def _objects_of_array(
    file: DataFile, stream: IO[str], complaints: Complaints, chunk: int = _CHUNK
) -> Iterator[tuple[int, Any]]:
    """The elements of one JSON array, each with the line it begins on, decoded as the text comes in."""
    window = _Window(stream, chunk)
    try:
        window.take("[")
        if not window.at("]"):
            yield window.line, window.value()
        while not window.at("]"):
            window.take(",")
            window.at("{")  # so that the line is the value's own
            yield window.line, window.value()
        window.take("]")
        window.end()
    except json.JSONDecodeError as error:
        complaints.add(f"not JSON: {error.msg}", file.name, window.line + error.lineno - 1)
    except RecursionError:
        complaints.add("not JSON that we read: nested too deeply", file.name, window.line)


class _Window:
    """The part of a text that is being looked at: grows at its end, shrinks at its start, counts the lines passed."""

    def __init__(self, stream: IO[str], chunk: int) -> None:
        self._stream, self._chunk = stream, chunk
        self._text, self._ended = "", False
        self._decode = json.JSONDecoder().raw_decode
        self.line = 1

    def at(self, mark: str) -> bool:
        """Whether `mark` comes next, space aside."""
        self._skip_space()
        return self._text.startswith(mark)

    def take(self, mark: str) -> None:
        if not self.at(mark):
            raise json.JSONDecodeError(f"Expecting '{mark}'", self._text, 0)
        self._drop(len(mark))

    def end(self) -> None:
        self._skip_space()
        if self._text:
            raise json.JSONDecodeError("Extra data", self._text, 0)

    def value(self) -> Any:
        """The next value; reads on while it is not there whole."""
        self._skip_space()
        while True:
            try:
                value, end = self._decode(self._text)
                if end < len(self._text) or self._ended:  # else a number may go on
                    self._drop(end)
                    return value
            except json.JSONDecodeError:
                if self._ended:
                    raise
            self._grow()

    def _skip_space(self) -> None:
        self._drop(len(self._text) - len(self._text.lstrip()))
        while not self._text and not self._ended:
            self._grow()
            self._drop(len(self._text) - len(self._text.lstrip()))

    def _drop(self, count: int) -> None:
        self.line += self._text.count("\n", 0, count)
        self._text = self._text[count:]

    def _grow(self) -> None:
        more = self._stream.read(max(self._chunk, len(self._text)))  # twice as much each time: no quadratic work
        self._ended = not more
        self._text += more


def _records(file: DataFile, stream: IO[str], complaints: Complaints) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file, each with the line it begins on."""
    reader, line = csv.reader(stream, strict=True), 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        complaints.add(f"not CSV: {error}", file.name, line)


def _with_columns(
    file: DataFile, objects: Iterator[tuple[int, Any]], columns: Columns, complaints: Complaints
) -> Iterator[Row]:
    """The objects that have all columns. If the first one lacks a column, so does the file: nothing more is read."""
    first = True
    for line, value in objects:
        there = list(value) if isinstance(value, dict) else None
        if there is None:
            complaints.add(f"a row is a JSON object, this is {kind_of(value)}", file.name, line)
        elif not (missing := _missing(columns, there)):
            yield Row(line=line, values=value)
        elif first:
            _complain_of_file(file, line, missing, columns, there, complaints)
            return
        else:
            complaints.add(f"there is no column {_quoted(missing)}; there are {_quoted(there)}", file.name, line)
        first = False


def _missing(columns: Columns, there: Collection[str]) -> list[str]:
    return [column for column in columns if column not in there]


def _complain_of_file(
    file: DataFile, line: int, missing: list[str], columns: Columns, there: list[str], complaints: Complaints
) -> None:
    for column in missing:
        near = did_you_mean(column, there)
        hint = f"there are {_quoted(there)}; set `{columns[column]}` to the one you mean"
        complaints.add(f"there is no column `{column}`", file.name, line, hint=f"{near} {hint}" if near else hint)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _decoded(
    file: DataFile, line: int, cells: Mapping[str, str], columns: Columns, complaints: Complaints
) -> Mapping[str, Any] | None:
    """The cells that were asked for, as the JSON they hold; None if one does not."""
    values = {}
    for column in columns:
        try:
            values[column] = json.loads(cells[column])
        except (json.JSONDecodeError, RecursionError):
            hint = 'in CSV a list is written as JSON text, quoted: "[""New"", ""York""]"'
            complaints.add(
                f"column `{column}`: the cell is not JSON: {shortened(cells[column])}", file.name, line, hint=hint
            )
            return None
    return values


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def shortened(text: str, longest: int = 40) -> str:
    """Text to show in a message: not too long, and nothing in it that a terminal would obey."""
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return text if text.isprintable() else repr(text)[1:-1]
