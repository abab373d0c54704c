"""A run as lines of text: where there is no terminal, in CI, and in log files. No control codes, no colour."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from sparsebuild.events import (
    Event,
    Log,
    Metric,
    Progress,
    RunFinished,
    TargetDecided,
    TargetFinished,
    TargetStarted,
    Waiting,
)
from sparsebuild.ui.figures import OF_THE_MOMENT, amount, duration, figure, figures, rate
from sparsebuild.ui.inert import inert, one_line
from sparsebuild.ui.ledger import Ledger
from sparsebuild.ui.pace import Pace
from sparsebuild.ui.words import finished, summary, waiting

__all__ = ["Plain", "Quiet"]

_APART = 5.0  # seconds between two lines of progress, at least
_SILENCE = 60.0  # seconds after which a line comes although less than a tenth was done


class Plain:
    """One line per change."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._ledger = Ledger()
        self._paces: dict[str, Pace] = {}
        self._told: dict[str, tuple[float, float]] = {}  # target: when its last line was, and the share done then

    def close(self) -> None:
        """Nothing to put back."""

    def __call__(self, event: Event) -> None:
        """Say what changed."""
        self._ledger.note(event)
        if isinstance(event, RunFinished):
            self._ledger.write(event, self._stream)
        for line in self._lines(event):
            self._stream.write(line + "\n")
        self._stream.flush()

    def _lines(self, event: Event) -> list[str]:
        match event:
            case Waiting():
                return [waiting(event)]
            case TargetDecided(verdict="stale"):
                return [f"{event.target}: {'; '.join(map(one_line, event.reasons)) or 'has to run'}"]
            case TargetStarted():
                self._paces[event.target] = Pace()
                self._told[event.target] = (self._clock(), 0.0)
            case Progress():
                return self._progress(event)
            case Metric() if event.name not in OF_THE_MOMENT:
                return [f"{event.target}: {figure(event.name, event.value)}"]
            case Log():
                return [_log(event)]
            case TargetFinished() if event.outcome != "fresh":
                return [f"{event.target}: {finished(event)}"]
            case RunFinished():
                return [summary(event)]
        return []

    def _progress(self, event: Progress) -> list[str]:
        now = self._clock()
        pace = self._paces.setdefault(event.target, Pace())
        pace.saw(now, event.done, event.unit)
        done = event.done / event.total if event.total else 0.0
        last, share = self._told.setdefault(event.target, (now, 0.0))
        far_enough = int(done * 10) > int(share * 10) and now - last >= _APART
        if not (far_enough or now - last >= _SILENCE):
            return []
        self._told[event.target] = (now, done)
        left = pace.left(event.total)
        time_left = [f"about {duration(left)} left"] if left is not None else []
        how_far = amount(event.done, event.unit)
        if event.total:
            how_far = f"{done * 100:.0f} % of {amount(event.total, event.unit)}"
        told = [how_far, *figures(event.fields), *rate(pace.rate, event.unit), *time_left]
        return [f"{event.target}: {', '.join(told)}"]


class Quiet:
    """Lines again, but only what went wrong."""

    def __init__(self, stream: TextIO) -> None:
        self._plain = Plain(stream)

    def close(self) -> None:
        """Nothing to put back."""

    def __call__(self, event: Event) -> None:
        """Pass on warnings, errors and failures."""
        match event:
            case Log(level="warning" | "error") | TargetFinished(outcome="failed") | Waiting():
                self._plain(event)


def _log(event: Log) -> str:
    level = "" if event.level == "info" else f"{event.level}: "
    return f"{event.target + ': ' if event.target else ''}{level}{inert(event.message).rstrip()}"
