"""What was done: the question that an action answered, and the files that it left.

A record is removed before work starts and written last, so that it is there only while it is true.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sparsebuild.engine.action import JSON, File
from sparsebuild.engine.atomic import write_bytes
from sparsebuild.engine.fingerprint import fingerprint

__all__ = ["Record", "from_json", "read", "remove", "to_json", "write"]

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One action, done."""

    document: Mapping[str, JSON]  # what `fingerprint.document` gave
    fingerprint: str
    outputs: tuple[File, ...]  # in order of their paths, relative to the action's folder
    inputs: Mapping[str, tuple[File, ...]] = field(default_factory=dict)  # what was read, so that `why` can name files
    seconds: float = 0.0
    notes: Mapping[str, JSON] = field(default_factory=dict)  # what the step noted: threads, kind of CPU


def to_json(record: Record) -> dict[str, Any]:
    return {"format": _FORMAT, **asdict(record)}


def from_json(data: Mapping[str, Any]) -> Record | None:
    """The record that `to_json` was given; None for one that another version of us wrote, or somebody edited."""
    if data["format"] != _FORMAT or data["fingerprint"] != fingerprint(data["document"]):
        return None
    values = {key: value for key, value in data.items() if key != "format"}
    inputs = {name: _files(files) for name, files in data["inputs"].items()}
    return Record(**{**values, "outputs": _files(data["outputs"]), "inputs": inputs})


def write(folder: Path, name: str, record: Record) -> None:
    write_bytes(_path(folder, name), json.dumps(to_json(record), ensure_ascii=False).encode())


def read(folder: Path, name: str) -> Record | None:
    """The record of the action `name`; None where there is none, or none that can be read."""
    try:
        return from_json(json.loads(_path(folder, name).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove(folder: Path, name: str) -> None:
    _path(folder, name).unlink(missing_ok=True)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _files(data: list[dict[str, Any]]) -> tuple[File, ...]:
    return tuple(File(**file) for file in data)
