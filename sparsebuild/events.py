"""What happens during a run, as nine typed events; people see folds of this one stream.

RunStarted · Waiting · TargetDecided · TargetStarted · Progress · Metric · Log · TargetFinished · RunFinished

Events are plain values; `to_json` says how programs read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "Event",
    "Log",
    "Metric",
    "Outcome",
    "Progress",
    "RunFinished",
    "RunStarted",
    "Sink",
    "TargetDecided",
    "TargetFinished",
    "TargetStarted",
    "Verdict",
    "Waiting",
    "to_json",
]

Outcome = Literal["built", "restored", "fresh", "failed", "skipped", "interrupted"]
Verdict = Literal["fresh", "stale", "may-run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins; `targets` are all it may touch, in order."""

    project: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Another run holds the project."""

    pid: int
    host: str
    since: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDecided:
    """Whether a target has to run, and why; `reasons` are sentences."""

    target: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStarted:
    """A step begins to work."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a target is. `fields` are the figures worth seeing now: epoch, loss, learning_rate, sparsity, f1.

    What is downloaded before there are targets, to pin a source, is told under the name `lock`.
    """

    target: str
    done: float
    total: float  # 0 where nobody knows
    unit: str  # "steps", "sentences", "bytes", "files"
    fields: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A figure that a target leaves behind."""

    target: str
    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A sentence for a person; `target` is empty when it is about the run."""

    message: str
    target: str = ""
    level: Literal["info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFinished:
    """What became of a target."""

    target: str
    outcome: Outcome
    seconds: float = 0.0
    message: str = ""  # of a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The end; `outcomes` holds every target's, in order."""

    seconds: float
    outcomes: Mapping[str, Outcome]


Event = RunStarted | Waiting | TargetDecided | TargetStarted | Progress | Metric | Log | TargetFinished | RunFinished
Sink = Callable[[Event], None]


def to_json(event: Event) -> dict[str, Any]:
    """The event as JSON data, with its type under `event`."""
    return {"event": type(event).__name__, **asdict(event)}
