"""What a step is given, and how it speaks.

    def run(job: Job, report: Report) -> None: ...

A step reads `job.inputs` (and, to fetch, `job.sources`), writes files under `job.out`, and nothing else. Under
`job.scratch` it may keep what lets it go on after a stop; it finds it again only while the question is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from sparsebuild.engine.action import JSON, File, Place, Source

__all__ = ["Executor", "Job", "Level", "Report", "sources_from_json"]

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One try at an action. All paths are absolute."""

    name: str  # of the action; what is written must not depend on it
    step: str
    params: Mapping[str, JSON]
    inputs: Mapping[str, Path]  # by the input's name: the folder or file it reads
    sources: Mapping[str, Source] = field(default_factory=dict)
    out: Path  # empty; its files become the outputs
    scratch: Path  # as an earlier try at the same question left it
    log: Path  # where what is printed goes
    root: Path  # the project
    notes: Mapping[str, JSON] = field(default_factory=dict)  # of the earlier try, or else of the last build
    repeat: bool = False  # what comes out is compared with the last build: where `notes` leave a choice, do as they say

    def to_json(self) -> dict[str, Any]:
        paths = {name: str(getattr(self, name)) for name in ("out", "scratch", "log", "root")}
        inputs = {name: str(path) for name, path in self.inputs.items()}
        return {**asdict(self), **paths, "inputs": inputs}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """The job that `to_json` was asked of."""
        paths = {name: Path(data[name]) for name in ("out", "scratch", "log", "root")}
        inputs = {name: Path(path) for name, path in data["inputs"].items()}
        return cls(**{**data, **paths, "inputs": inputs, "sources": sources_from_json(data["sources"])})


class Report(Protocol):
    """What a step may say while it works."""

    def progress(self, done: float, total: float, unit: str, **fields: float | str) -> None:
        """How far it is, in "steps", "sentences", "bytes" or "files", with the figures worth seeing now."""

    def metric(self, name: str, value: float) -> None:
        """A figure that it leaves behind."""

    def log(self, message: str, level: Level = "info") -> None:
        """A sentence for a person."""

    def note(self, key: str, value: JSON) -> None:
        """A fact about this try that goes into the record and is no output: threads, kind of CPU."""


class Executor(Protocol):
    """Somewhere to run steps; several threads may ask for theirs at once."""

    def run(self, where: Place, job: Job, report: Report) -> None:
        """Do `job` to the end. Raises what the step raised; stops it first when a signal raises here."""

    def close(self) -> None:
        """Leave no process behind, whichever thread waits for it."""


def sources_from_json(data: Mapping[str, Any]) -> dict[str, Source]:
    return {name: s if isinstance(s, str) else tuple(File(**f) for f in s) for name, s in data.items()}
