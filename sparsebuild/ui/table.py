"""A table of words: columns as wide as what they hold, the last one folded where a terminal ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, TextIO

from sparsebuild.ui.inert import one_line
from sparsebuild.ui.paint import Paint, columns, painter, room

__all__ = ["Cell", "write"]

_GAP = "  "
_NARROWEST = 20  # columns that the last column is folded to, at least


class Cell(NamedTuple):
    """One entry; `style` is one for `paint`."""

    text: str
    style: str = ""


Row = Sequence[str | Cell]


def write(rows: Sequence[Row], stream: TextIO, *, heads: Sequence[str] = (), right: Collection[int] = ()) -> None:
    """Write `rows` under `heads`, if there are any; the columns of the numbers `right` end at the same place."""
    cells = [[Cell(one_line(cell)) if isinstance(cell, str) else _inert(cell) for cell in row] for row in rows]
    if heads:
        cells.insert(0, [Cell(one_line(head), "bold") for head in heads])
    widths = [max(columns(cell.text) for cell in column) for column in zip(*cells, strict=True)]
    paint = painter(stream)
    for number, row in enumerate(cells):
        for line in _folded(row, widths, room(stream)):
            stream.write(_line(line, widths, right, paint) + "\n")
        if heads and number == 0:
            rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
            stream.write(paint(rule, "dim") + "\n")


def _inert(cell: Cell) -> Cell:
    return cell._replace(text=one_line(cell.text))


def _folded(row: list[Cell], widths: Sequence[int], width: int | None) -> Iterator[list[Cell]]:
    """The lines of a row."""
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    last = row[-1]
    if width is None or before + columns(last.text) <= width:
        yield row
        return
    import textwrap

    first, *more = textwrap.wrap(last.text, max(width - before, _NARROWEST), break_on_hyphens=False) or [""]
    yield [*row[:-1], last._replace(text=first)]
    for text in more:
        yield [*(Cell("") for _ in row[:-1]), last._replace(text=text)]


def _line(row: Sequence[Cell], widths: Sequence[int], right: Collection[int], paint: Paint) -> str:
    told = []
    for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
        blank = " " * (width - columns(cell.text))
        drawn = paint(cell.text, cell.style)
        told.append(blank + drawn if number in right else drawn + blank)
    return _GAP.join(told).rstrip()
