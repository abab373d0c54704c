"""What a build would do, and why: `status`, `why` and `run --dry-run`. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sparsebuild.engine.action import File
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.staleness import Reason
from sparsebuild.engine.standing import Standing, stand
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.events import Verdict
from sparsebuild.layout import ProjectLayout

__all__ = ["Decision", "forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is known now about one action.

    fresh: it will not run. stale: it will, or be restored. may-run: that rests on what those in `waiting_for` leave.
    """

    action: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    waiting_for: tuple[str, ...] = ()
    restorable: bool = False  # stale, but the store has the answer
    failed: str = ""  # what the last try said, if it failed
    seconds: float | None = None  # how long it took when it was last built


def forecast(
    graph: Graph,
    targets: Iterable[str] = (),
    *,
    layout: ProjectLayout,
    stat_cache: StatCache,
    force: Iterable[str] = (),
) -> tuple[Decision, ...]:
    """Say for `targets` and all that they need what `build` would decide, in order."""
    forced = {name for target in force for name in graph.named(target)}
    done: dict[str, tuple[File, ...] | None] = {}
    decisions = []
    for name in graph.select(targets):
        standing = stand(graph[name], done, layout, stat_cache, forced=name in forced)
        waiting = tuple(upstream for upstream in graph.needs(name) if done[upstream] is None)
        decision = Decision(
            action=name, verdict=_verdict(standing, waiting), reasons=standing.reasons, waiting_for=waiting
        )
        done[name] = standing.record.outputs if standing.record and decision.verdict == "fresh" else None
        decisions.append(decision)
    return tuple(decisions)


def _verdict(standing: Standing, waiting: tuple[str, ...]) -> Verdict:
    if standing.reasons:
        return "stale"
    return "may-run" if waiting else "fresh"
