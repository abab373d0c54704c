"""What the targets of a build left: their files, and the figures in the JSON documents among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.errors import UserError
from sparsebuild.reading import is_deeper, read_small

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.engine.action import File
    from sparsebuild.engine.graph import Graph
    from sparsebuild.engine.record import Record
    from sparsebuild.engine.store import Store

__all__ = ["Left", "figures", "left_here", "left_in_store", "to_json"]

_HISTORY = "metrics.jsonl"  # of a training: a line an epoch, and the last is what came out
_LARGEST_DOCUMENT = 1_000_000  # bytes
_LARGEST_HISTORY = 100_000_000  # of a training of some hundred thousand lines
_LARGEST = 1e30  # a figure
_DEEPEST = 20  # lists and objects inside each other
_DETAILS = ("inputs", "outputs", "operators", "tensors")  # of an exported file: what it holds, not how good it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What one target left."""

    files: tuple[File, ...]
    figures: Mapping[str, float]  # by key path: `models.student.validation.f1`
    seconds: float  # that it took
    is_current: bool  # whether it is what a run would leave now

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def left_here(project: Project, graph: Graph) -> Mapping[str, Left | None]:
    """What the last build of each target left in the project.

    None for what was not built, for what was begun and not ended, and for what no longer stands as it was built.
    """
    from sparsebuild.cli.forecast import forecast, usual
    from sparsebuild.engine import record as records
    from sparsebuild.engine.staleness import OF_OUTPUTS
    from sparsebuild.engine.work import records_folder

    found: dict[str, Left | None] = {}
    for decision in forecast(project, usual(project, graph)):
        is_whole = not any(reason.kind in OF_OUTPUTS for reason in decision.reasons)
        record = records.read(records_folder(project.layout), decision.action) if is_whole else None
        read = partial(_standing, project.layout.root / graph[decision.action].folder)
        found[decision.action] = _left(record, read, is_current=decision.verdict == "fresh") if record else None
    return found


def left_in_store(graph: Graph, store: Store) -> Mapping[str, Left | None]:
    """The same of a graph that was built somewhere at some time; None for what the store does not know."""
    from sparsebuild.engine.recollect import recollect

    read = partial(_stored, store)
    known = recollect(graph, store).items()
    asked = {name: record for name, record in known if record or not graph[name].on_demand}
    return {name: _left(record, read, is_current=True) if record else None for name, record in asked.items()}


def figures(files: Iterable[File], read: Callable[[File], bytes]) -> Mapping[str, float]:
    """Every number in the documents of a target; `read` gives a file's bytes.

    Documents of ours say their `schema_version`: other JSON, such as the config of a model, is not what was measured.
    """
    found: dict[str, float] = {}
    for file in files:
        if "/" not in file.path and file.path.endswith((".json", _HISTORY)) and file.size <= _most(file):
            found |= _numbers(_document(file.path, read(file)))
    return found


def to_json(left: Left) -> dict[str, Any]:
    """What a target left, in figures, as JSON data."""
    return {
        "up_to_date": left.is_current,
        "seconds": left.seconds,
        "files": len(left.files),
        "bytes": left.size,
        "figures": dict(left.figures),
    }


def _left(record: Record, read: Callable[[File], bytes], *, is_current: bool) -> Left:
    measured = figures(record.outputs, read)
    return Left(files=record.outputs, figures=measured, seconds=record.seconds, is_current=is_current)


def _most(file: File) -> int:
    """How large a document may be, in bytes."""
    return _LARGEST_HISTORY if file.path == _HISTORY else _LARGEST_DOCUMENT


def _standing(folder: Path, file: File) -> bytes:
    try:
        return read_small(folder / file.path, _most(file))
    except (OSError, UserError):
        return b""


def _stored(store: Store, file: File) -> bytes:
    from sparsebuild.engine.store import Missing

    try:
        return store.read_bytes(file.sha256)
    except Missing:
        return b""


def _document(name: str, data: bytes) -> Mapping[str, Any]:
    """The JSON object in `data`; nothing where it is not one of ours."""
    try:
        if name == _HISTORY:
            value = json.loads(data.splitlines()[-1])
        else:
            value = json.loads(data)
            value = value if value.pop("schema_version") == 1 else {}
            value = {key: inner for key, inner in value.items() if key not in _DETAILS}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return {}
    return value if isinstance(value, dict) and not is_deeper(value, _DEEPEST) else {}


def _numbers(value: Any, path: str = "") -> dict[str, float]:
    """Numbers by their key path. What stands in a list goes by its `name`, or else by its place."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {path: value} if abs(value) < _LARGEST else {}  # JSON has no infinities
    return {name: number for key, inner in _items(value) for name, number in _numbers(inner, _join(path, key)).items()}


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield str(inner.get("name", place) if isinstance(inner, Mapping) else place), inner


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
