"""What a build would do, and why: `status`, `why` and `run --dry-run`. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sparsebuild.engine import outputs, work
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.fingerprint import document, fingerprint
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.record import Record
from sparsebuild.engine.staleness import Inputs, Reason
from sparsebuild.engine.standing import Standing, stand
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
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
    failed: str = ""  # what the last try said, if it failed and nothing was done since
    seconds: float | None = None  # how long it took when it was last built


def forecast(
    graph: Graph,
    targets: Iterable[str] = (),
    *,
    layout: ProjectLayout,
    stat_cache: StatCache,
    store: Store | None = None,
    force: Iterable[str] = (),
) -> tuple[Decision, ...]:
    """Say for `targets` and all that they need what `build` would decide, in order.

    With the `store`, what can be restored is known beforehand, and so is what becomes of those that read it.
    """
    force = list(force)
    forced = graph.all_named(force)
    done: dict[str, tuple[File, ...] | None] = {}
    decisions = []
    for name in graph.select(targets, also=force):
        standing = stand(graph[name], done, layout, stat_cache, forced=name in forced)
        waiting = tuple(upstream for upstream in graph.needs(name) if done[upstream] is None)
        verdict = _verdict(standing, waiting)
        answer = None
        if store and verdict == "stale" and not waiting and name not in forced:
            answer = _recall(graph[name], standing.inputs, store)
        left = standing.record if verdict == "fresh" else answer
        done[name] = left.outputs if left else None
        last = standing.record or work.before(layout, name) or answer
        decision = Decision(
            action=name,
            verdict=verdict,
            reasons=standing.reasons,
            waiting_for=waiting,
            restorable=answer is not None,
            failed="" if verdict == "fresh" else work.failure(layout, name),
            seconds=last.seconds if last else None,
        )
        decisions.append(decision)
    return tuple(decisions)


def _verdict(standing: Standing, waiting: tuple[str, ...]) -> Verdict:
    if standing.reasons:
        return "stale"
    return "may-run" if waiting else "fresh"


def _recall(action: Action, inputs: Inputs, store: Store) -> Record | None:
    """What the store would give instead of running `action`."""
    digests = {name: outputs.digest(files) for name, files in inputs.items() if files}
    if len(digests) < len(inputs):  # it reads what nobody left, and would fail
        return None
    return store.recall(fingerprint(document(action, digests)))
