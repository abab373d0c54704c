"""A recipe's schedule as a table: what each modifier does when, with its stretch of the training drawn as a bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.table import Table

from sparsebuild.modifiers.base import Phase
from sparsebuild.ui.terminal import console, words

__all__ = ["bar", "show"]

_WIDTH = 24  # characters of the drawing


def show(phases: Sequence[Phase], epochs: float, stream: TextIO) -> None:
    """Write one row a phase, on a time line of `epochs`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("modifier")
    table.add_column("epochs")
    table.add_column(f"0{_number(epochs):>{_WIDTH - 1}}", no_wrap=True)
    table.add_column("what")
    for phase in phases:
        stretch = f"{_number(phase.start)} – {_number(_end(phase, epochs))}"
        drawn = words(bar(phase.start, _end(phase, epochs), epochs), "cyan")
        table.add_row(words(phase.modifier, "bold"), stretch, drawn, words(phase.value))
    console(stream).print(table)


def bar(start: float, end: float, epochs: float, width: int = _WIDTH) -> str:
    """`····━━━━━━··` from `start` to `end` of `epochs`; what is there at all is seen, however short."""
    if epochs <= 0:
        return "━" * width
    first = min(round(start / epochs * width), width - 1)
    last = max(round(min(end, epochs) / epochs * width), first + 1)
    return "·" * first + "━" * (last - first) + "·" * (width - last)


def _end(phase: Phase, epochs: float) -> float:
    """A recipe's -1 is the end of training."""
    return epochs if phase.end < 0 else phase.end


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
