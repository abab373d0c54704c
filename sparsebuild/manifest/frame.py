"""Pointing at a place of the manifest: the position, and the lines around it with a caret under what is meant."""

from __future__ import annotations

from sparsebuild.errors import Problem
from sparsebuild.frame import code_frame
from sparsebuild.manifest.locate import KeyPath, place_of, places, position_at

__all__ = ["frame_between", "problem_at"]


def problem_at(text: str, path: KeyPath, message: str, *, hint: str = "", file: str = "sparse.toml") -> Problem:
    """A problem that points at the value of `path` in the manifest's text; for whoever finds one after reading."""
    place = place_of(places(text), path)
    if place is None:
        return Problem(message=message, hint=hint)
    return Problem(
        message=message,
        position=position_at(text, place.value, file),
        frame=frame_between(text, place.value, place.value_end),
        hint=hint,
    )


def frame_between(text: str, start: int, end: int) -> str:
    """The frame of what stands between two offsets, as far as its first line goes."""
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return code_frame(text, line, column, end - start)
