"""A recipe's course, drawn in characters: learning rate, sparsity and quantization over the epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from sparsebuild.modifiers.curves import Course
from sparsebuild.modifiers.span import number, percent
from sparsebuild.ui.paint import painter

__all__ = ["POINTS", "curve", "show"]

POINTS = 60  # columns of the drawing
_ROWS = 4
_PARTS = "▁▂▃▄▅▆▇█"  # eighths of a row
_NOTHING = "·"  # the recipe leaves the value alone
_HEAD, _MARK = 13, 7  # columns of the names and of the numbers


def show(course: Course, stream: TextIO) -> None:
    """Write what the course has: a curve for each value that the recipe sets, on one line of time."""
    paint = painter(stream)
    lines = [*_part("learning rate", course.learning_rate, _rate), *_part("sparsity", course.sparsity, percent)]
    if any(course.quantized):
        lines.append(("int8", "", "".join("━" if on else _NOTHING for on in course.quantized)))
    for name, mark, drawn in lines:
        stream.write(f"{name:<{_HEAD}} {mark:>{_MARK}} │{paint(drawn, 'cyan')}\n")
    if lines:
        last = number(course.epochs)
        stream.write(f"{'epochs':<{_HEAD}} {'':>{_MARK}} └0{last:>{len(course.at) - 1}}\n")


def curve(values: Sequence[float | None], rows: int = _ROWS) -> list[str]:
    """`values`, 0 or more, as columns of blocks from the top row down; what is more than 0 is seen, however small."""
    highest = max((v for v in values if v is not None), default=0.0)
    eighths = [None if v is None else _eighths(v, highest, rows) for v in values]
    return ["".join(_block(e, row) for e in eighths) for row in reversed(range(rows))]


def _part(name: str, values: Sequence[float | None], told: Callable[[float], str]) -> Iterator[tuple[str, str, str]]:
    """The rows of a curve, the first with its name and what its top stands for."""
    said = [v for v in values if v is not None]
    if not said:
        return
    for place, drawn in enumerate(curve(values)):
        yield name if place == 0 else "", told(max(said)) if place == 0 else "", drawn


def _rate(value: float) -> str:
    return number(float(f"{value:.2e}"))


def _eighths(value: float, highest: float, rows: int) -> int:
    if value <= 0 or highest <= 0:
        return 0
    return max(1, round(value / highest * rows * len(_PARTS)))


def _block(eighths: int | None, row: int) -> str:
    """What stands in row `row` (from 0 at the bottom) of a column that is so high."""
    if eighths is None or eighths == 0:
        return (_NOTHING if eighths is None else "_") if row == 0 else " "
    filled = min(eighths - row * len(_PARTS), len(_PARTS))
    return _PARTS[filled - 1] if filled > 0 else " "
