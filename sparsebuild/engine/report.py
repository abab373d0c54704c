"""A step's report, told as events; what it notes is kept for the record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sparsebuild import events
from sparsebuild.atomic import write_bytes
from sparsebuild.engine.action import JSON
from sparsebuild.engine.job import Level
from sparsebuild.reading import read_json

__all__ = ["EventReport", "append", "read_notes"]


class EventReport:
    """Sends what a step says about the action `target` to `sink`, its sentences to `log` too, its notes to `notes`.

    At once, because the next try must find the notes after a kill.
    """

    def __init__(self, target: str, sink: events.Sink, notes: Path, log: Path) -> None:
        self.notes: dict[str, JSON] = {}
        self._target = target
        self._sink = sink
        self._file = notes
        self._log = log

    def progress(self, done: float, total: float, unit: str, **fields: float | str) -> None:
        self._sink(events.Progress(target=self._target, done=done, total=total, unit=unit, fields=fields))

    def metric(self, name: str, value: float) -> None:
        self._sink(events.Metric(target=self._target, name=name, value=value))

    def log(self, message: str, level: Level = "info") -> None:
        append(self._log, message if level == "info" else f"{level}: {message}")
        self._sink(events.Log(target=self._target, message=message, level=level))

    def note(self, key: str, value: JSON) -> None:
        self.notes[key] = value
        write_bytes(self._file, json.dumps(self.notes).encode())


def append(log: Path, line: str) -> None:
    """Add a line to a log that others may be printing to."""
    with open(log, "ab", opener=_without_links) as stream:
        stream.write(line.encode(errors="replace") + b"\n")


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def read_notes(file: Path) -> dict[str, Any]:
    """What an earlier try wrote to `file`; empty where there was none."""
    try:
        notes = read_json(file)
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
