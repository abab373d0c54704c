"""What a long run came to, as a table at its end: target, what happened, time, why."""

from __future__ import annotations

from typing import TextIO

from sparsebuild.events import Event, Outcome, RunFinished, TargetDecided, TargetFinished
from sparsebuild.ui import table
from sparsebuild.ui.figures import duration
from sparsebuild.ui.table import Cell
from sparsebuild.ui.words import OUTCOMES

__all__ = ["Ledger"]

_LONG = 60.0  # seconds; a shorter run can be seen at one glance
_STYLES: dict[Outcome, str] = {"built": "green", "restored": "green", "failed": "bold red", "interrupted": "yellow"}


class Ledger:
    """Takes note of a run."""

    def __init__(self) -> None:
        self._why: dict[str, str] = {}
        self._finished: dict[str, TargetFinished] = {}

    def note(self, event: Event) -> None:
        """Keep what the table will need."""
        match event:
            case TargetDecided(reasons=(first, *more)):
                self._why[event.target] = first + (f" (+{len(more)})" if more else "")
            case TargetFinished() if event.outcome != "fresh":
                self._finished[event.target] = event

    def write(self, end: RunFinished, stream: TextIO) -> None:
        """Write the table, if the run was long; what was up to date is not in it."""
        rows = [self._row(name, outcome) for name, outcome in end.outcomes.items() if outcome != "fresh"]
        if end.seconds > _LONG and rows:
            stream.write("\n")
            table.write(rows, stream, heads=("target", "what happened", "time", "why"), right=(2,))
            stream.write("\n")

    def _row(self, name: str, outcome: Outcome) -> tuple[Cell | str, ...]:
        finished = self._finished.get(name, TargetFinished(target=name, outcome=outcome))
        took = duration(finished.seconds) if finished.seconds >= 0.05 else ""
        why = finished.message.split("\n")[0] or self._why.get(name, "")
        return (Cell(name, "bold"), Cell(OUTCOMES[outcome], _STYLES.get(outcome, "dim")), took, why)
