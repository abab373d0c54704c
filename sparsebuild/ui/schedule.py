"""Recipes as tables: what each modifier does when, what its names mean, the variables, and how two recipes differ."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from rich import box
from rich.table import Table

from sparsebuild.modifiers.base import Phase
from sparsebuild.modifiers.matching import Matched
from sparsebuild.modifiers.stages import Stretch
from sparsebuild.recipe.difference import ABSENT, Difference
from sparsebuild.recipe.uses import VariableUses
from sparsebuild.ui import table as tables
from sparsebuild.ui.inert import one_line
from sparsebuild.ui.table import Cell
from sparsebuild.ui.terminal import console, words

__all__ = ["bar", "show", "show_differences", "show_matches", "show_stages", "show_variables"]

_WIDTH = 24  # characters of the drawing


def show(phases: Sequence[Phase], epochs: float, stream: TextIO) -> None:
    """Write one row a phase, on a time line of `epochs`; without one where they have no end that is known."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("modifier")
    table.add_column("epochs")
    if math.isfinite(epochs):
        table.add_column(f"0{_number(epochs):>{_WIDTH - 1}}", no_wrap=True)
    table.add_column("what")
    for phase in phases:
        end = _end(phase, epochs)
        drawn = [words(bar(phase.start, end, epochs), "cyan")] if math.isfinite(epochs) else []
        table.add_row(words(phase.modifier, "bold"), _stretch(phase.start, end), *drawn, words(phase.value))
    console(stream).print(table)


def show_stages(found: Sequence[Stretch], stream: TextIO) -> None:
    """Write from when to when each stage acts."""
    if not found:
        return
    rows = [(one.name, _stretch(one.start, one.end), ", ".join(one.modifiers)) for one in found]
    stream.write("\n")
    tables.write(rows, stream, heads=("stage", "epochs", "modifiers"))


def show_matches(found: Sequence[Matched], stream: TextIO) -> None:
    """Write what each of a recipe's names means in the model: how many tensors, and the first of them."""
    if not found:
        return
    rows = [(one.modifier, Cell(one.text), str(len(one.names)), _some(one.names)) for one in found]
    stream.write("\n")
    tables.write(rows, stream, heads=("modifier", "in the recipe", "tensors", "such as"), right=(2,))


def show_variables(found: Sequence[VariableUses], stream: TextIO) -> None:
    """Write a row for each use of each variable."""
    rows = [row for one in found for row in _variable(one)]
    if not rows:
        stream.write("the recipe has no variables\n")
        return
    tables.write(rows, stream, heads=("variable", "default", "value", "line", "used by", "line"), right=(3, 5))


def show_differences(found: Sequence[Difference], stream: TextIO) -> None:
    """Write one line a difference: `~` changed, `+` only in the new one, `-` only in the old one."""
    if not found:
        stream.write("both say the same\n")
        return
    tables.write([_difference(one) for one in found], stream)
    if not any(one.is_of_modifier for one in found):
        stream.write("with their defaults both train the same\n")


def _difference(found: Difference) -> tuple[Cell, str, str, str]:
    sign, style = ("+", "green") if found.old is ABSENT else ("-", "red") if found.new is ABSENT else ("~", "yellow")
    what = f"{found.what}.{found.path}" if found.path else found.what
    sides = [_short(side) for side in (found.old, found.new) if side is not ABSENT]
    places = [place for place in (found.old_place, found.new_place) if place]
    return Cell(sign, style), what, " → ".join(sides), " → ".join(places)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (", …" if len(names) > 2 else "") if names else "nothing"


def _variable(found: VariableUses) -> Iterator[tuple[str, ...]]:
    name = f"{found.stage}.{found.name}" if found.stage else found.name
    own = (name, _short(found.written), _short(found.value), str(found.position.line))
    told = [(use.what, str(use.position.line) if use.position else "") for use in found.uses] or [("nothing", "")]
    told += [] if found.is_settable else [("(cannot be set: an alias takes a part of it)", "")]
    for place, use in enumerate(told):
        yield (*(own if place == 0 else ("", "", "", "")), *use)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = one_line(text)
    return text if len(text) <= 60 else text[:57] + "..."


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


def _stretch(start: float, end: float) -> str:
    return f"{_number(start)} – {_number(end)}" if math.isfinite(end) else f"{_number(start)} to the end"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
