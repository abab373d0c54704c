"""A run on a terminal: what is being built below, redrawn four times a second; what is finished above, as lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live as Region
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from sparsebuild.events import (
    Event,
    Log,
    Metric,
    Outcome,
    Progress,
    RunFinished,
    RunStarted,
    TargetDecided,
    TargetFinished,
    TargetStarted,
    Waiting,
)
from sparsebuild.ui.figures import OF_THE_MOMENT, amount, duration, figures, rate
from sparsebuild.ui.inert import inert, one_line
from sparsebuild.ui.ledger import Ledger
from sparsebuild.ui.pace import Pace
from sparsebuild.ui.terminal import console as console_on
from sparsebuild.ui.words import finished, summary, waiting

__all__ = ["Live"]

_SIGNS: dict[Outcome, tuple[str, str]] = {
    "built": ("✓", "green"),
    "restored": ("✓", "green"),
    "fresh": ("✓", "dim green"),
    "failed": ("✗", "bold red"),
    "skipped": ("-", "dim"),
    "interrupted": ("✗", "yellow"),
}
_LEVELS = {"info": "dim", "warning": "yellow", "error": "red"}


class Live:
    """Draws only while something is built, so a run with nothing to do never moves the cursor."""

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic, console: Console | None = None
    ) -> None:
        self._stream = stream
        self._console = console or console_on(stream)
        self._ledger = Ledger()
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._metrics: dict[str, dict[str, float]] = {}
        self._waiting = ""
        self._region: Region | None = None

    def close(self) -> None:
        """Clear the moving part and show the cursor again."""
        if self._region is not None:
            self._region.stop()
            self._region = None

    def __call__(self, event: Event) -> None:
        """Take note, and print what will not change any more."""
        self._ledger.note(event)
        match event:
            case RunStarted():
                self._waiting = ""
                self._running.clear()  # what was downloaded to lock it
            case Waiting():
                self._waiting = waiting(event)
                self._draw()
            case TargetDecided(verdict="stale"):
                self._line("→", "cyan", event.target, "; ".join(map(one_line, event.reasons)) or "has to run")
            case TargetStarted():
                self._begin(event.target)
            case Progress():
                self._begin(event.target)
                self._running[event.target].saw(event)
            case Metric() if event.name not in OF_THE_MOMENT:
                self._metrics.setdefault(event.target, {})[event.name] = event.value
            case Log():
                self._log(event)
            case TargetFinished():
                self._finished(event)
            case RunFinished():
                self.close()
                self._ledger.write(event, self._stream)
                style = "bold red" if "failed" in event.outcomes.values() else "bold"
                self._console.print(Text(summary(event), style=style))

    def _begin(self, target: str) -> None:
        if target not in self._running:
            self._running[target] = _Running(target, self._clock)
            self._draw()

    def _finished(self, event: TargetFinished) -> None:
        self._running.pop(event.target, None)
        if event.outcome == "fresh":
            return
        if self._region is not None:
            self._region.refresh()  # or the row that has gone would be drawn once more under the line
        sign, style = _SIGNS[event.outcome]
        told = [finished(event), *figures(self._metrics.pop(event.target, {}))]
        self._line(sign, style, event.target, "  ".join(told))

    def _log(self, event: Log) -> None:
        about = f"{event.target}: " if event.target else ""
        self._console.print(Text(f"  {about}{inert(event.message).rstrip()}", style=_LEVELS[event.level]))

    def _line(self, sign: str, style: str, head: str, rest: str) -> None:
        self._console.print(Text.assemble((f"{sign:<2}", style), (head, "bold"), "  ", rest))

    def _draw(self) -> None:
        if self._region is None:
            self._region = Region(
                console=self._console,
                get_renderable=self._moving,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
            )
            self._region.start()
        self._region.refresh()

    def _moving(self) -> RenderableType:
        """The moving part, asked for by the region's own thread: the list is taken first, as runs come and go."""
        if self._waiting:
            return Spinner("dots", Text(self._waiting), style="yellow")
        return Group(*(part for running in list(self._running.values()) for part in running.parts()))


class _Running:
    """One target at work."""

    def __init__(self, target: str, clock: Callable[[], float]) -> None:
        self._target = target
        self._clock = clock
        self._start = clock()
        self._pace = Pace()
        self._progress: Progress | None = None
        self._spinner = Spinner("dots", style="cyan")

    def saw(self, progress: Progress) -> None:
        """Keep the newest progress; figures that it does not repeat stay in sight."""
        self._pace.saw(self._clock(), progress.done, progress.unit)
        before = self._progress.fields if self._progress else {}
        self._progress = Progress(
            target=progress.target,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
            fields={**before, **progress.fields},
        )

    def parts(self) -> list[RenderableType]:
        """A line with the bar, and one below it with the figures."""
        now = self._progress
        line = Table.grid(padding=(0, 1))
        for _ in range(6):
            line.add_column(no_wrap=True)
        if now is None or not now.total:
            told = [duration(self._clock() - self._start)]
            told += [amount(now.done, now.unit), *rate(self._pace.rate, now.unit)] if now else []
            line.add_row(self._spinner, Text(self._target, "bold"), Text(", ".join(told), "dim"))
            return [line]
        left = self._pace.left(now.total)
        line.add_row(
            self._spinner,
            Text(self._target, "bold"),
            ProgressBar(total=now.total, completed=now.done, width=20, complete_style="cyan", finished_style="green"),
            Text(f"{now.done / now.total * 100:>3.0f} %"),
            Text(", ".join([_so_far(now), *rate(self._pace.rate, now.unit)]), "dim"),
            Text(f"{duration(left)} left" if left is not None else "", "cyan"),
        )
        return [line, Text("  " + "   ".join(figures(now.fields)), "dim", no_wrap=True)] if now.fields else [line]


def _so_far(now: Progress) -> str:
    """`40 of 100 steps`, `1.2 MB of 22.9 MB`."""
    done = amount(now.done, now.unit) if now.unit == "bytes" else f"{now.done:,.0f}"
    return f"{done} of {amount(now.total, now.unit)}"
