"""How targets stand: the table of `status`, and the sentences of `why`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from sparsebuild.cli.forecast import Estimate
from sparsebuild.engine.explain import Decision
from sparsebuild.ui import table
from sparsebuild.ui.figures import count, duration
from sparsebuild.ui.inert import inert, one_line
from sparsebuild.ui.paint import painter
from sparsebuild.ui.table import Cell

__all__ = ["show_all", "show_one"]

_SIGNS = {
    "fresh": ("✓", "green", "up to date"),
    "stale": ("→", "yellow", "has to run"),
    "never-built": ("→", "yellow", "never built"),
    "restorable": ("→", "green", "in the store"),
    "failed": ("✗", "bold red", "failed"),
    "may-run": ("?", "cyan", "may have to run"),
    "on-demand": ("·", "dim", "on demand"),
}


def show_all(
    decisions: Sequence[Decision],
    estimate: Estimate,
    stream: TextIO,
    on_demand: Sequence[Decision] = (),
) -> None:
    """Write a row for each target, how many are up to date, and what a run of the others would take.

    Those `on_demand` have rows too, and are not counted: only a run that names them builds them.
    """
    rows = [_row(decision, _state(decision), _in_short(decision)) for decision in decisions]
    for decision in on_demand:
        is_fresh = decision.verdict == "fresh"
        told = [] if is_fresh else [_in_short(decision), f"`sparsebuild run {decision.action}` builds it"]
        rows.append(_row(decision, "fresh" if is_fresh else "on-demand", "; ".join(filter(None, told))))
    table.write(rows, stream, right=(3,))
    fresh = sum(decision.verdict == "fresh" for decision in decisions)
    stream.write(f"\n{fresh} of {count(len(decisions), 'target')} up to date{_cost(estimate)}\n")


def show_one(decision: Decision, stream: TextIO) -> None:
    """Write all that is known of one target."""
    sign, style, _ = _SIGNS[_state(decision)]
    said = _SIGNS[decision.verdict][2]
    paint = painter(stream)
    stream.write(f"{paint(sign, style)} {paint(one_line(decision.action), 'bold')} {paint(said, style)}\n")
    for sentence in _sentences(decision):
        stream.write(f"  {inert(sentence)}\n")


def _row(decision: Decision, state: str, told: str) -> tuple[Cell | str, ...]:
    sign, style, said = _SIGNS[state]
    took = duration(decision.seconds) if decision.seconds is not None and decision.seconds >= 0.05 else ""
    return Cell(sign, style), Cell(decision.action, "bold"), Cell(said, style), took, told


def _state(decision: Decision) -> str:
    if decision.restorable:
        return "restorable"
    if decision.verdict != "fresh" and decision.failed:
        return "failed"
    kinds = {reason.kind for reason in decision.reasons}
    return "never-built" if "never-built" in kinds else decision.verdict


def _in_short(decision: Decision) -> str:
    """The first reason, unless the row says it already, and how many more there are."""
    told = [str(reason) for reason in decision.reasons if reason.kind != "never-built"]
    if decision.verdict == "may-run":
        return f"waiting for {_listed(decision.waiting_for)}"
    return (told[0] if told else "") + (f" (+{len(told) - 1})" if len(told) > 1 else "")


def _sentences(decision: Decision) -> list[str]:
    told = [str(reason) for reason in decision.reasons]
    if decision.failed and not any(reason.kind == "failed" for reason in decision.reasons):
        told.append(f"the last try failed: {one_line(decision.failed)}")
    if decision.verdict == "may-run":
        told.append(f"that rests on what {_listed(decision.waiting_for)} will leave")
    if decision.restorable:
        told.append("the store has the answer: a run only has to restore it")
    return told


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cost(estimate: Estimate) -> str:
    """`; a run takes about 12 min 3 s`, and what that leaves out; nothing where nothing is known."""
    if estimate.at_most < 0.05:
        return ""
    told = f"; a run takes about {duration(estimate.seconds)}"
    if estimate.at_most - estimate.seconds >= 0.05:
        told += f", and {duration(estimate.at_most)} if all runs that may"
    return told + (f", without {_listed(estimate.unknown)}: never timed" if estimate.unknown else "")
