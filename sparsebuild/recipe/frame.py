"""Pointing at a place of a recipe: the line between its neighbours, with carets under the word that is meant."""

from __future__ import annotations

import re
from dataclasses import replace

from sparsebuild.errors import Position, Problem
from sparsebuild.frame import code_frame

__all__ = ["with_frame"]

_WORD = re.compile(r"[^\s,:\[\]{}#]+")


def with_frame(problem: Problem, text: str) -> Problem:
    """`problem` with the lines of `text` around its position, if it has a position and no frame yet."""
    if problem.position is None or problem.frame or not text:
        return problem
    return replace(problem, frame=_frame(text, problem.position))


def _frame(text: str, position: Position) -> str:
    lines = text.split("\n")
    word = _WORD.match(lines[min(position.line, len(lines)) - 1], position.column - 1)
    return code_frame(text, position.line, position.column, len(word.group()) if word else 1)
