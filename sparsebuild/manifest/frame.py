"""Pointing at a place of the manifest: the position, and the lines around it with a caret under what is meant."""

from __future__ import annotations

from sparsebuild.errors import Problem
from sparsebuild.manifest.locate import KeyPath, place_of, places, position_at

__all__ = ["code_frame", "problem_at"]


def problem_at(text: str, path: KeyPath, message: str, *, hint: str = "", file: str = "sparse.toml") -> Problem:
    """A problem that points at the value of `path` in the manifest's text; for whoever finds one after reading."""
    place = place_of(places(text), path)
    if place is None:
        return Problem(message=message, hint=hint)
    return Problem(
        message=message,
        position=position_at(text, place.value, file),
        frame=code_frame(text, place.value, place.value_end),
        hint=hint,
    )


def code_frame(text: str, start: int, end: int) -> str:
    """The line that holds `start` between its neighbours, with carets under start..end as far as that line goes."""
    lines = text.split("\n")
    number = text.count("\n", 0, start)
    first, last = max(0, number - 1), min(len(lines) - 1, number + 1)
    if last > number and not lines[last].strip():
        last = number
    if first < number and not lines[first].strip():
        first = number
    width = len(str(last + 1))
    out = []
    for index in range(first, last + 1):
        line = lines[index].rstrip("\r")
        out.append(f"  {index + 1:>{width}} | {line}".rstrip())
        if index == number:
            column = start - (text.rfind("\n", 0, start) + 1)
            out.append(
                f"  {'':>{width}} | {_padding(line[:column])}{'^' * max(1, min(end - start, len(line) - column))}"
            )
    return "\n".join(out)


def _padding(before: str) -> str:
    """Blanks as wide as `before`: its tabs stay tabs."""
    return "".join("\t" if c == "\t" else " " for c in before)
