"""Rows of CSV: a header first, and lists as JSON text in the cells of the columns that are asked for."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.rows import ColumnKeys, DataFile, Row, complain_of_file, missing, quoted, shortened
from sparsebuild.tasks.streams import LONGEST, lines, opened

__all__ = ["read"]


def read(file: DataFile, columns: ColumnKeys, complaints: Complaints) -> Iterator[Row]:
    """The records of a file, each with the line it begins on."""
    with opened(file.path, file.seen) as stream:
        records = _records(file, stream, complaints)
        _, header = next(records, (1, []))
        absent = missing(columns, header)
        if header and absent:
            complain_of_file(file, 1, absent, columns, header, complaints)
            return
        if twice := [column for column in columns if header.count(column) > 1]:
            complaints.add(f"the header has {quoted(twice)} more than once", file.name, 1, hint="name each column once")
            return
        for line, cells in records:
            if len(cells) != len(header):
                complaints.add(f"{len(cells)} cells, but the header has {len(header)}", file.name, line)
                continue
            values = _decoded(file, line, dict(zip(header, cells, strict=True)), columns, complaints)
            if values is not None:
                yield Row(line=line, values=values)


def _records(file: DataFile, stream: IO[str], complaints: Complaints) -> Iterator[tuple[int, list[str]]]:
    reader, line = csv.reader((text for _, text in lines(stream)), strict=True), 1
    usual = csv.field_size_limit(LONGEST)  # of a cell, for the whole process: Python's own is 131,072 characters
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        complaints.add(f"not CSV: {error}", file.name, line)
    finally:
        csv.field_size_limit(usual)


def _decoded(
    file: DataFile, line: int, cells: Mapping[str, str], columns: ColumnKeys, complaints: Complaints
) -> Mapping[str, Any] | None:
    """The cells that were asked for, as the JSON they hold; None if one does not."""
    values = {}
    for column in columns:
        try:
            values[column] = json.loads(cells[column])
        except (ValueError, RecursionError):
            hint = 'in CSV a list is written as JSON text, quoted: "[""New"", ""York""]"'
            complaints.add(
                f"column `{column}`: the cell is not JSON: {shortened(cells[column])}", file.name, line, hint=hint
            )
            return None
    return values
