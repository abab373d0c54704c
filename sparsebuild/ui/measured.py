"""The figures that targets left, one a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from sparsebuild.ui.figures import count, duration, share, size
from sparsebuild.ui.table import Cell, Row, write

if TYPE_CHECKING:
    from sparsebuild.cli.measured import Left

__all__ = ["show"]


def show(left: Mapping[str, Left], stream: TextIO) -> None:
    """Write what each target weighs, took and measured; nothing for none."""
    rows = [row for name, one in left.items() for row in _rows(name, one)]
    if rows:
        write(rows, stream, heads=("target", "figure", "value"), right=(2,))


def _rows(name: str, left: Left) -> Iterator[Row]:
    late = "" if left.is_current else ", not up to date"
    about = Cell(f"{count(len(left.files), 'file')}, took {duration(left.seconds)}{late}", "dim")
    yield Cell(name, "bold"), about, size(left.size)
    for figure, value in left.figures.items():
        yield "", figure, _number(figure, value)


def _number(name: str, value: float) -> str:
    """A figure as its name says it is meant."""
    leaf = name.rpartition(".")[2]
    if leaf.startswith("bytes"):
        return size(value)
    if leaf == "sparsity":
        return share(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
