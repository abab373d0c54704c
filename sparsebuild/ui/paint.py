"""What a stream can show: its width and colours. Rich knows more, but importing it takes as long as all of `status`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from typing import TextIO

__all__ = ["Paint", "columns", "has_colours", "painter", "room"]

Paint = Callable[[str, str], str]  # a text and a style such as "bold red"

_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}


def has_colours(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether colours may be written to `stream`, as NO_COLOR, FORCE_COLOR and TERM say."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM", "").lower() not in ("dumb", "unknown")


def painter(stream: TextIO) -> Paint:
    """What puts a text into a style on `stream`; it leaves the text alone where there are no colours."""
    return _painted if has_colours(stream) else lambda text, _: text


def room(stream: TextIO) -> int | None:
    """How many columns a terminal has; None for a pipe or a file, where nothing has to be folded."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def columns(text: str) -> int:
    """How many columns `text` takes: two for a wide character, none for one that goes on top of another."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def _painted(text: str, style: str) -> str:
    codes = ";".join(str(_CODES[word]) for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text
