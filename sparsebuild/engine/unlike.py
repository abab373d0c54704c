"""Where two folders of outputs differ first: by bytes, or by the numbers in their JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from sparsebuild.engine.action import JSON
from sparsebuild.reading import read_json

__all__ = ["by_bytes", "by_numbers"]

_CHUNK = 1 << 20  # bytes


def by_bytes(before: Path, after: Path, paths: Iterable[str]) -> Iterator[str]:
    """A sentence for each file of `paths`, which are known to differ."""
    for path in paths:
        if told := _missing(before, after, path):
            yield told
        else:
            size = (before / path).stat().st_size
            yield f"`{path}` differs from byte {_first_offset(before / path, after / path):,} on, of {size:,}"


def by_numbers(before: Path, after: Path, paths: Iterable[str], tolerance: float) -> Iterator[str]:
    """A sentence for each number in the JSON files of `paths` that is further off than `tolerance`.

    That is a share of the larger number, or of 1 where both are smaller. Of a file with a document a line the last one
    counts: it tells what came out. Nothing else is looked at, and no folder within, such as a model with its settings;
    but a file that is in one folder only is told too.
    """
    for path in paths:
        if told := _missing(before, after, path):
            yield told
        elif "/" not in path and path.endswith((".json", ".jsonl")):
            for place, old, new in _unlike(_read(before / path), _read(after / path), tolerance):
                yield f"`{place}` in `{path}` was {old:.6g}, is {new:.6g}"


def _missing(before: Path, after: Path, path: str) -> str:
    if not (after / path).is_file():
        return f"`{path}` is missing this time"
    return "" if (before / path).is_file() else f"`{path}` is new this time"


def _first_offset(before: Path, after: Path) -> int:
    """The first byte, counted from 0, that is not in both."""
    place = 0
    with before.open("rb") as old, after.open("rb") as new:
        while True:
            ours, theirs = old.read(_CHUNK), new.read(_CHUNK)
            if ours != theirs or not ours:
                pairs = enumerate(zip(ours, theirs, strict=False))
                return place + next((k for k, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
            place += len(ours)


def _unlike(old: JSON, new: JSON, tolerance: float, place: str = "") -> Iterator[tuple[str, float, float]]:
    if _is_number(old) and _is_number(new):
        if not math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance):
            yield place, old, new
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() & new.keys():
            yield from _unlike(old[key], new[key], tolerance, f"{place}.{key}" if place else key)
    elif isinstance(old, list) and isinstance(new, list):
        for k, (ours, theirs) in enumerate(zip(old, new, strict=False)):
            yield from _unlike(ours, theirs, tolerance, f"{place}[{k}]")


def _is_number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read(path: Path) -> JSON:
    try:
        return _last_line(path) if path.suffix == ".jsonl" else read_json(path)
    except (OSError, ValueError, RecursionError):
        return None


def _last_line(path: Path) -> JSON:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _CHUNK))
        lines = stream.read(_CHUNK).splitlines()
    return json.loads(lines[-1]) if lines else None
