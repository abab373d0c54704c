"""Rows of Parquet, and the names of the classes that `datasets` keeps in its head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.rows import ColumnKeys, DataFile, Row, complain_of_file, missing, shortened
from sparsebuild.tasks.streams import Damaged, is_packed

__all__ = ["class_names", "read"]

_BATCH = 1000  # rows


def read(file: DataFile, columns: ColumnKeys, complaints: Complaints) -> Iterator[Row]:
    """The rows of a file, by their numbers."""
    from pyarrow import ArrowException, parquet

    if is_packed(file.path):
        raise Damaged("Parquet is packed inside already, and is not read out of gzip or zstd: unpack it")
    try:
        with parquet.ParquetFile(file.path) as opened:
            there = opened.schema_arrow.names
            if absent := missing(columns, there):
                complain_of_file(file, 0, absent, columns, there, complaints)
                return
            names = {column: class_names(file.path, column) for column in columns}
            row, size = 0, file.path.stat().st_size
            for batch in opened.iter_batches(batch_size=_BATCH, columns=list(columns)):
                file.seen(size * len(batch) // opened.metadata.num_rows)
                for values in batch.to_pylist():
                    row += 1
                    yield Row(line=row, values={k: _named(v, names[k]) for k, v in values.items()})
    except (ArrowException, OSError) as error:
        complaints.add(f"{file.name} is not Parquet that we read: {shortened(str(error), 200)}", file.name)


def class_names(file: Path, column: str) -> tuple[str, ...]:
    """The names of a column's classes, if the file gives them: Parquet that `datasets` wrote."""
    with file.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return ()
    from pyarrow import ArrowInvalid, parquet

    try:
        metadata = parquet.read_schema(file).metadata or {}
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


def _named(value: Any, names: Sequence[str]) -> Any:
    """The names of the classes whose numbers stand there; a number that is none stays one."""
    if not names:
        return value
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
