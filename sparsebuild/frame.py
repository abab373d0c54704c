"""The lines of a text around a place, as errors show them."""

from __future__ import annotations

__all__ = ["code_frame"]


def code_frame(text: str, line: int, column: int, width: int) -> str:
    """Line `line` (from 1) between its neighbours, with carets under `width` characters from `column` (from 1).

    Neighbours that are empty are left out, tabs stay tabs, and what cannot be printed is shown as U+FFFD.
    """
    lines = [_printable(one.rstrip("\r")) for one in text.split("\n")]
    here = min(line, len(lines)) - 1
    shown = [i for i in (here - 1, here, here + 1) if 0 <= i < len(lines) and (i == here or lines[i].strip())]
    digits = len(str(shown[-1] + 1))
    told = []
    for i in shown:
        told.append(f"  {i + 1:>{digits}} | {lines[i]}".rstrip())
        if i == here:
            told.append(f"  {'':>{digits}} | {_carets(lines[i], column - 1, width)}")
    return "\n".join(told)


def _carets(line: str, column: int, width: int) -> str:
    before = "".join("\t" if c == "\t" else " " for c in line[:column])
    return before + "^" * max(1, min(width, len(line) - column))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)
