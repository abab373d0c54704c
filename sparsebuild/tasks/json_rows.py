"""Rows of JSON: one object a line, or an array of objects. Blank lines mean nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.rows import ColumnKeys, DataFile, Row, complain_of_file, kind_of, missing, quoted
from sparsebuild.tasks.streams import LONGEST, Damaged, beginning, lines, opened

__all__ = ["read_json", "read_lines"]

_CHUNK = 1 << 16  # characters
_DECODE = json.JSONDecoder().raw_decode
_TOO_DEEP = "not JSON that we read: nested too deeply"
_TOO_LARGE = "not JSON that we read: a number of thousands of digits"


def read_lines(file: DataFile, columns: ColumnKeys, complaints: Complaints) -> Iterator[Row]:
    """The objects of a file that has one a line."""
    with opened(file.path, file.seen) as stream:
        yield from _with_columns(file, _objects_of_lines(file, stream, complaints), columns, complaints)


def read_json(file: DataFile, columns: ColumnKeys, complaints: Complaints) -> Iterator[Row]:
    """The objects of an array, or those of a file that has one a line."""
    is_array = beginning(file.path).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    read = _objects_of_array if is_array else _objects_of_lines
    with opened(file.path, file.seen) as stream:
        yield from _with_columns(file, read(file, stream, complaints), columns, complaints)


def _objects_of_lines(file: DataFile, stream: IO[str], complaints: Complaints) -> Iterator[tuple[int, Any]]:
    for line, text in lines(stream):
        row = text.rstrip()
        if not row:
            continue
        try:
            yield line, _decoded(row)
        except json.JSONDecodeError as error:
            hint = "a file has one JSON object a line; a `.json` file may also hold one array of objects"
            complaints.add(f"not JSON: {error.msg}", file.name, line, error.colno, hint)
        except ValueError:  # of Python
            complaints.add(_TOO_LARGE, file.name, line)
        except RecursionError:
            complaints.add(_TOO_DEEP, file.name, line)


def _decoded(text: str) -> Any:
    """What `json.loads` gives, in half the time for an object: it looks for space around each value."""
    if text.startswith("{"):
        value, end = _DECODE(text)
        if end == len(text):
            return value
    return json.loads(text)


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
    except UnicodeDecodeError:
        raise
    except ValueError:  # of Python
        complaints.add(_TOO_LARGE, file.name, window.line)
    except RecursionError:
        complaints.add(_TOO_DEEP, file.name, window.line)


class _Window:
    """The part of a text that is being looked at: grows at its end, shrinks at its start, counts the lines passed."""

    def __init__(self, stream: IO[str], chunk: int) -> None:
        self._stream, self._chunk = stream, chunk
        self._text, self._ended = "", False
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
                value, end = _DECODE(self._text)
                if end < len(self._text) or self._ended:  # else a number may go on
                    self._drop(end)
                    return value
            except json.JSONDecodeError:
                if self._ended:
                    raise
            if len(self._text) > LONGEST:
                raise Damaged(f"the row in line {self.line} is longer than {LONGEST:,} characters, or not JSON")
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


def _with_columns(
    file: DataFile, objects: Iterator[tuple[int, Any]], columns: ColumnKeys, complaints: Complaints
) -> Iterator[Row]:
    """The objects that have all columns. If the first one lacks a column, so does the file: nothing more is read."""
    first, wanted = True, columns.keys()
    for line, value in objects:
        if not isinstance(value, dict):
            complaints.add(f"a row is a JSON object, this is {kind_of(value)}", file.name, line)
        elif wanted <= value.keys():
            yield Row(line=line, values=value)
        elif first:
            complain_of_file(file, line, missing(columns, value), columns, list(value), complaints)
            return
        else:
            absent = quoted(missing(columns, value))
            complaints.add(f"there is no column {absent}; there are {quoted(value)}", file.name, line)
        first = False
