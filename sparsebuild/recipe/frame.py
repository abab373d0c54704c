"""Pointing at a place of a recipe: the line between its neighbours, with carets under the word that is meant."""

from __future__ import annotations

import re
from dataclasses import replace

from sparsebuild.errors import Position, Problem

__all__ = ["code_frame", "with_frame"]

_WORD = re.compile(r"[^\s,:\[\]{}#]+")


def with_frame(problem: Problem, text: str) -> Problem:
    """`problem` with the lines of `text` around its position, if it has a position and no frame yet."""
    if problem.position is None or problem.frame or not text:
        return problem
    return replace(problem, frame=code_frame(text, problem.position))


def code_frame(text: str, position: Position) -> str:
    """The line of `position` and the ones before and after it, where these are not empty."""
    lines = text.split("\n")
    here = min(position.line, len(lines)) - 1
    shown = [i for i in (here - 1, here, here + 1) if 0 <= i < len(lines) and (i == here or lines[i].strip())]
    width = len(str(shown[-1] + 1))
    told = []
    for i in shown:
        line = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in lines[i].rstrip("\r"))
        told.append(f"  {i + 1:>{width}} | {line}".rstrip())
        if i == here:
            told.append(f"  {'':>{width}} | {_carets(line, position.column - 1)}")
    return "\n".join(told)


def _carets(line: str, column: int) -> str:
    word = _WORD.match(line, column)
    blanks = "".join("\t" if c == "\t" else " " for c in line[:column])
    return blanks + "^" * (len(word.group()) if word else 1)
