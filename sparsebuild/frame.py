"""The lines of a text around a place, as errors show them."""

from __future__ import annotations

__all__ = ["code_frame"]

_LONGEST = 400  # characters of a line


def code_frame(text: str, line: int, column: int, width: int) -> str:
    """Line `line` (from 1) between its neighbours, with carets under `width` characters from `column` (from 1).

    Neighbours that are empty are left out, tabs stay tabs, and what cannot be printed is shown as U+FFFD.
    """
    lines = text.split("\n", line + 1)[: line + 1]
    here = min(line, len(lines)) - 1
    around = {i: _printable(lines[i].rstrip("\r")) for i in (here - 1, here, here + 1) if 0 <= i < len(lines)}
    shown = {i: _part(one, column if i == here else 1) for i, one in around.items() if i == here or one.strip()}
    digits = len(str(max(shown) + 1))
    told = []
    for i, (left_out, one) in shown.items():
        told.append(f"  {i + 1:>{digits}} | {one}".rstrip())
        if i == here:
            told.append(f"  {'':>{digits}} | {_carets(one, column - 1 - left_out, width)}")
    return "\n".join(told)


def _part(line: str, column: int) -> tuple[int, str]:
    """What is shown of a line, so that `column` is in it, and how many characters less stand before that."""
    if len(line) <= _LONGEST:
        return 0, line
    start = max(0, min(column - 1 - _LONGEST // 2, len(line) - _LONGEST))
    part = line[start : start + _LONGEST]
    shown = ("…" if start else "") + part + ("…" if start + _LONGEST < len(line) else "")
    return start - (1 if start else 0), shown


def _carets(line: str, column: int, width: int) -> str:
    before = "".join("\t" if c == "\t" else " " for c in line[:column])
    return before + "^" * max(1, min(width, len(line) - column))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
