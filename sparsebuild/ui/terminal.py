"""Where words go: a rich console that obeys no markup in them."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text

from sparsebuild.ui.inert import inert

__all__ = ["console", "words"]

_WIDE = 200  # columns, where there is no terminal that would have a width: nothing is folded in a pipe


def console(stream: TextIO) -> Console:
    """A console on `stream`; colour as NO_COLOR, FORCE_COLOR and TERM say."""
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def words(text: str, style: str = "") -> Text:
    """`text` to put into a table or a line, whatever it holds."""
    return Text(inert(text), style=style)
