"""What a run would do, for `status`, `why` and `run --dry-run`: no work is done and no network is used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sparsebuild.errors import UserError

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.engine.explain import Decision
    from sparsebuild.engine.graph import Graph

__all__ = ["Estimate", "document", "estimate", "forecast", "known", "usual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run would take, going by how long its targets took last time."""

    seconds: float = 0.0  # of what will run; what is restored takes none
    at_most: float = 0.0  # if all runs that may
    unknown: tuple[str, ...] = ()  # targets that would run and were never timed


def forecast(project: Project, targets: Iterable[str] = (), force: Iterable[str] = ()) -> tuple[Decision, ...]:
    """The decisions of a run that began now; UserError where it would first have to ask a network for sources."""
    from sparsebuild.cli.project import graph
    from sparsebuild.engine import explain

    seen = known(project)
    return explain.forecast(
        graph(seen), targets, layout=seen.layout, stat_cache=seen.stat_cache, store=seen.store, force=force
    )


def known(project: Project) -> Project:
    """The project with the lock that a run would use; UserError where there is none and none can be made here."""
    from sparsebuild.cli.project import answered

    found = answered(project)
    if found is None:
        raise UserError(
            "there is no `sparse.lock`, so nothing is known of the sources yet", hint="run `sparsebuild lock` first"
        )
    return found


def usual(project: Project, graph: Graph) -> tuple[str, ...]:
    """What is looked at where no target is named: what a run builds, and what else was built here."""
    from sparsebuild.engine import record as records
    from sparsebuild.engine.work import records_folder

    asked = {name for name in graph.names if records.read(records_folder(project.layout), name)}
    return graph.select([*graph.usual, *asked])


def estimate(decisions: Sequence[Decision]) -> Estimate:
    """What a run of `decisions` would take."""
    works = [d for d in decisions if d.verdict != "fresh" and not d.restorable]
    return Estimate(
        seconds=sum(d.seconds or 0.0 for d in works if d.verdict == "stale"),
        at_most=sum(d.seconds or 0.0 for d in works),
        unknown=tuple(d.action for d in works if d.seconds is None),
    )


def document(project: Project, decisions: Sequence[Decision]) -> dict[str, Any]:
    """The decisions as JSON data."""
    return {"project": project.manifest.project.name, "targets": [_decision(decision) for decision in decisions]}


def _decision(decision: Decision) -> dict[str, Any]:
    reasons = [{**asdict(reason), "sentence": str(reason)} for reason in decision.reasons]
    return {
        "name": decision.action,
        "verdict": decision.verdict,
        "reasons": reasons,
        "waiting_for": list(decision.waiting_for),
        "restorable": decision.restorable,
        "failed": decision.failed,
        "seconds": decision.seconds,
    }
