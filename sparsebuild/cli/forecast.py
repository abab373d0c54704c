"""What a run would do, for `status`, `why` and `run --dry-run`: no work is done and no network is used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sparsebuild.errors import UserError

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.engine.explain import Decision

__all__ = ["document", "forecast"]


def forecast(project: Project, targets: Iterable[str] = (), force: Iterable[str] = ()) -> tuple[Decision, ...]:
    """The decisions of a run that began now; UserError where it would first have to ask a network for sources."""
    from sparsebuild.cli.project import answered, graph
    from sparsebuild.engine import explain

    known = answered(project)
    if known is None:
        raise UserError(
            "there is no `sparse.lock`, so nothing is known of the sources yet", hint="run `sparsebuild lock` first"
        )
    return explain.forecast(graph(known), targets, layout=known.layout, stat_cache=known.stat_cache, force=force)


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
    }
