"""Pointing at a place of the manifest: the position, and the lines around it with a caret under what is meant."""

from __future__ import annotations

from typing import Literal

from sparsebuild.errors import Problem
from sparsebuild.frame import code_frame
from sparsebuild.manifest.layers import Setting, Written
from sparsebuild.manifest.locate import KeyPath, position_at

__all__ = ["frame_between", "problem_at"]


def problem_at(
    written: Written, path: KeyPath, message: str, *, hint: str = "", at: Literal["key", "value"] = "value"
) -> Problem:
    """A problem that points at `path`, or the nearest table around it; one that a `--set` made names that."""
    said = _said(path, written)
    if said:
        return Problem(message=f"{message} in `{said}`", hint=hint)
    nearest = (place for n in range(len(path), 0, -1) if (place := written.place_of(path[:n])) is not None)
    place = next(nearest, None)
    if place is None:
        return Problem(message=message, hint=hint)
    start, end = (place.key, place.key_end) if at == "key" else (place.value, place.value_end)
    return Problem(
        message=message,
        position=position_at(written.text, start, written.file),
        frame=frame_between(written.text, start, end),
        hint=hint,
    )


def _said(path: KeyPath, written: Written) -> Setting | None:
    """The `--set` that is to blame: at `path`, above it, or below it where the file has nothing."""
    above = written.setting_of(path)
    below = [said for said in written.settings if path and said.path[: len(path)] == path]
    return above or (below[-1] if below and written.place_of(path) is None else None)


def frame_between(text: str, start: int, end: int) -> str:
    """The frame of what stands between two offsets, as far as its first line goes."""
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return code_frame(text, line, column, end - start)
