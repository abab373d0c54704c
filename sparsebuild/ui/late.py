"""A run on a terminal that may have nothing to do: drawing, which is slow to import, begins with the first change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from sparsebuild.events import Event, RunFinished, RunStarted, TargetDecided, TargetFinished
from sparsebuild.ui.paint import painter
from sparsebuild.ui.words import summary

if TYPE_CHECKING:
    from sparsebuild.ui.live import Live

__all__ = ["Late"]


class Late:
    """`Live`, as soon as there is something to see."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live: Live | None = None

    def close(self) -> None:
        """Put the terminal back, if it was drawn on."""
        if self._live is not None:
            self._live.close()

    def __call__(self, event: Event) -> None:
        """Pass on what changes something; of a run that changes nothing only the end is told."""
        if self._live is None and _is_of_nothing(event):
            if isinstance(event, RunFinished):
                self._stream.write(painter(self._stream)(summary(event), "bold") + "\n")
            return
        if self._live is None:
            from sparsebuild.ui.live import Live

            self._live = Live(self._stream)
        self._live(event)


def _is_of_nothing(event: Event) -> bool:
    match event:
        case RunStarted() | TargetDecided(verdict="fresh") | TargetFinished(outcome="fresh"):
            return True
        case RunFinished():
            return set(event.outcomes.values()) <= {"fresh"}
    return False
