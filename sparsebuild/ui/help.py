"""The help of a command: panels of two columns. Drawn by us, since importing rich takes longer than all the rest."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TextIO

from sparsebuild.ui.paint import Paint, painter, room

__all__ = ["page"]

_WIDTH = 80  # columns, where there is no terminal that would have a width
_WIDEST = 100  # longer lines are hard to read
_LEFT = 30  # columns at most for names; what is longer stands on a line of its own


class _Style(NamedTuple):
    """How to draw on a stream."""

    width: int
    paint: Paint
    box: tuple[str, ...]  # corners of a panel, clockwise from the top left, then its horizontal and its vertical line


def page(usage: str, about: str, panels: Mapping[str, Sequence[tuple[str, str]]], epilog: str, stream: TextIO) -> str:
    """The text to write to `stream`; `panels` are titles with rows of a name and what it means."""
    style = _style(stream)
    head, _, words = usage.partition(" ")
    lines = ["", f" {style.paint(head, 'yellow')} {style.paint(words, 'bold')}", ""]
    for paragraph in about.split("\n\n") if about else ():
        lines += [*_indented(paragraph, style), ""]
    left = min(_LEFT, max((len(name) for rows in panels.values() for name, _ in rows), default=0))
    for title, rows in panels.items():
        lines += _panel(title, rows, left, style)
    if epilog:
        lines += ["", *_indented(epilog, style)]
    return "\n".join(lines) + "\n"


def _style(stream: TextIO) -> _Style:
    is_utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return _Style(
        width=min(room(stream) or _WIDTH, _WIDEST),
        paint=painter(stream),
        box=tuple("╭╮╯╰─│" if is_utf8 else "++++-|"),
    )


def _indented(text: str, style: _Style) -> list[str]:
    return [f" {line}" for line in textwrap.wrap(text, style.width - 2)]


def _panel(title: str, rows: Sequence[tuple[str, str]], left: int, style: _Style) -> Iterator[str]:
    top_left, top_right, bottom_right, bottom_left, across, down = style.box
    inside = style.width - 4
    side = style.paint(down, "dim")
    yield style.paint(f"{top_left}{across} {title} {across * (inside - len(title) - 1)}{top_right}", "dim")
    for name, meaning in rows:
        for first, second in _columns(name, meaning, left, inside):
            blank = " " * (inside - max(left, len(first)) - 2 - len(second))
            yield f"{side} {style.paint(first, 'bold cyan')}{' ' * (left - len(first))}  {second}{blank} {side}"
    yield style.paint(f"{bottom_left}{across * (inside + 2)}{bottom_right}", "dim")


def _columns(name: str, meaning: str, left: int, inside: int) -> Iterator[tuple[str, str]]:
    """The lines of one row, each as what stands left and what stands right."""
    words = textwrap.wrap(meaning, max(inside - left - 2, 20), break_on_hyphens=False) or [""]
    if len(name) > left:
        yield name, ""
        name = ""
    yield name, words[0]
    for more in words[1:]:
        yield "", more
