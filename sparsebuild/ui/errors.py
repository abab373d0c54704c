"""An error as people see it: what is wrong, where, the lines of the file, what to do."""

from __future__ import annotations

import re
from typing import TextIO

from rich.text import Text

from sparsebuild.errors import Problem, SparsebuildError
from sparsebuild.ui import github
from sparsebuild.ui.terminal import console, words

__all__ = ["draw", "show"]

_QUOTED = re.compile(r"`[^`\n]+`")
_CARETS = re.compile(r"^([ \d]*\|)?( *\^+.*)$")
_GUTTER = re.compile(r"^[ \d>]*\|")


def show(error: SparsebuildError, stream: TextIO) -> None:
    """Write every problem of `error`, with an empty line between."""
    out = console(stream)
    for number, problem in enumerate(error.problems):
        out.print(("\n" if number else ""), draw(problem), sep="", soft_wrap=True)
    if github.are_wanted():
        github.show(error, stream)


def draw(problem: Problem) -> Text:
    """The same words as `str(problem)`, with colour where there is any."""
    told = Text.assemble(("error", "bold red"), ": ", _emphasized(problem.message))
    if problem.position:
        told.append("\n  --> ", "blue").append(words(str(problem.position)))
    if problem.frame:
        told.append("\n").append(_frame(problem.frame))
    if problem.hint:
        told.append("\n\n").append("hint", "bold cyan").append(": ").append(_emphasized(problem.hint))
    return told


def _emphasized(text: str) -> Text:
    """What stands between backquotes is what people look for."""
    told = words(text)
    told.highlight_regex(_QUOTED, "bold")
    return told


def _frame(frame: str) -> Text:
    told = Text()
    for number, line in enumerate(frame.splitlines()):
        drawn = words(line)
        gutter, carets = _GUTTER.match(drawn.plain), _CARETS.match(drawn.plain)
        if gutter:
            drawn.stylize("blue", 0, gutter.end())
        if carets:
            drawn.stylize("bold red", carets.start(2))
        told.append("\n" if number else "").append(drawn)
    return told
