"""What was done: the question that an action answered, and the files that it left.

A record is removed before work starts and written last, so that it is there only while it is true.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sparsebuild.atomic import write_bytes
from sparsebuild.engine.action import JSON, File
from sparsebuild.engine.fingerprint import fingerprint
from sparsebuild.reading import read_json

__all__ = ["Record", "from_json", "move", "read", "to_json", "write"]

_FORMAT = 1
_SHA256 = re.compile("[0-9a-f]{64}")
_LONGEST = 1e9  # seconds: thirty years
_LARGEST = 40_000_000  # bytes: three hundred thousand files


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One action, done."""

    document: Mapping[str, JSON]  # what `fingerprint.document` gave
    fingerprint: str
    outputs: tuple[File, ...]  # in order of their paths, relative to the action's folder
    inputs: Mapping[str, tuple[File, ...]] = field(default_factory=dict)  # what was read, so that `why` can name files
    folder: str = ""  # where the outputs stand, relative to the project; a trace in the store has none
    seconds: float = 0.0
    notes: Mapping[str, JSON] = field(default_factory=dict)  # what the step noted: threads, kind of CPU


def to_json(record: Record) -> dict[str, Any]:
    # Not `asdict`, which copies whatever it finds, for longer than all else takes with a small target.
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    inputs = {name: _plain(files) for name, files in record.inputs.items()}
    return {"format": _FORMAT, **values, "outputs": _plain(record.outputs), "inputs": inputs}


def from_json(data: Mapping[str, Any]) -> Record | None:
    """The record that `to_json` was given; None for one that another version of us wrote, or somebody edited."""
    if data["format"] != _FORMAT or data["fingerprint"] != fingerprint(data["document"]):
        return None
    values = {key: value for key, value in data.items() if key != "format"}
    inputs = {name: _files(files) for name, files in data["inputs"].items()}
    record = Record(**{**values, "outputs": _files(data["outputs"]), "inputs": inputs})
    return record if _is_sound(record) else None


def write(folder: Path, name: str, record: Record, *, durable: bool = True) -> None:
    data = json.dumps(to_json(record), ensure_ascii=False).encode()
    write_bytes(_path(folder, name), data, durable=durable)


def read(folder: Path, name: str) -> Record | None:
    """The record of the action `name`; None where there is none, or none that can be read."""
    try:
        return from_json(read_json(_path(folder, name), _LARGEST))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def move(folder: Path, name: str, to: Path, new_name: str) -> None:
    """Take the record of `name` from `folder`, if there is one, and leave it in the folder `to` under `new_name`."""
    with contextlib.suppress(FileNotFoundError):
        _path(folder, name).replace(_path(to, new_name))


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _plain(files: Iterable[File]) -> list[dict[str, Any]]:
    return [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files]


def _files(data: list[dict[str, Any]]) -> tuple[File, ...]:
    return tuple(File(**file) for file in data)


def _is_sound(record: Record) -> bool:
    """Whether all is of the kind that `to_json` writes: a project may bring along records that a stranger made up."""
    document, files = record.document, [*record.outputs, *(file for files in record.inputs.values() for file in files)]
    return (
        all(isinstance(document[key], Mapping) for key in ("inputs", "sources", "libraries"))
        and {"step", "version", "params"} <= document.keys()
        and all(isinstance(source, str | Mapping) for source in document["sources"].values())
        and isinstance(record.folder, str)
        and isinstance(record.notes, Mapping)
        and not isinstance(record.seconds, str)
        and 0 <= record.seconds < _LONGEST
        and all(map(_is_file, files))
    )


def _is_file(file: File) -> bool:
    """Whether it stays in its folder, and its sha256 is one: the store makes a path of that."""
    parts = file.path.split("/")  # not `PurePosixPath`, which costs more than all else of a run with nothing to do
    is_inside = parts[0] != "" and ".." not in parts and "\0" not in file.path and {*parts} - {"", "."}
    return bool(is_inside) and isinstance(file.size, int) and bool(_SHA256.fullmatch(file.sha256))
