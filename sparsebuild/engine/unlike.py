"""Where two folders of outputs differ first: by bytes, or by the numbers in their JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from itertools import zip_longest
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
    """A sentence for each number in the JSON files of `paths` that is off by more than `tolerance`, or on one side.

    That is a share of the larger number, or of 1 where both are smaller. Of a file with a document a line the last one
    counts: it tells what came out. Nothing else is looked at, and no folder within, such as a model with its settings;
    but a file that is in one folder only is told too.
    """
    for path in paths:
        if told := _missing(before, after, path):
            yield told
        elif "/" not in path and path.endswith((".json", ".jsonl")):
            for place, old, new in _unlike(_read(before / path), _read(after / path), tolerance):
                yield f"`{place}` in `{path}` was {_shown(old)}, is {_shown(new)}"


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


def _unlike(old: JSON, new: JSON, tolerance: float, place: str = "") -> Iterator[tuple[str, JSON, JSON]]:
    """Where two documents differ in a number, and both values; None for what is not there."""
    if _is_number(old) and _is_number(new):
        if not math.isclose(old, new, rel_tol=tolerance, abs_tol=tolerance):
            yield place, old, new
    elif _is_number(old) or _is_number(new):
        yield place, old, new
    elif isinstance(old, dict) or isinstance(new, dict):
        ours, theirs = (value if isinstance(value, dict) else {} for value in (old, new))
        for key in ours | theirs:
            yield from _unlike(ours.get(key), theirs.get(key), tolerance, f"{place}.{key}" if place else key)
    elif isinstance(old, list) or isinstance(new, list):
        several = (value if isinstance(value, list) else [] for value in (old, new))
        for k, (one, other) in enumerate(zip_longest(*several)):
            yield from _unlike(one, other, tolerance, f"{place}[{k}]")


def _shown(value: JSON) -> str:
    return f"{value:.6g}" if _is_number(value) else "nothing" if value is None else json.dumps(value)[:40]


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
