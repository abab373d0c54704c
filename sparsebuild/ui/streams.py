"""Streams that never fail on a character."""

from __future__ import annotations

import io
from typing import TextIO

__all__ = ["tolerate"]


def tolerate(stream: TextIO) -> None:
    """Let `stream` write `?` for what its encoding lacks, instead of failing in the middle of a table.

    UTF-8 lacks nothing but the bytes of names that are no UTF-8: those are written as `\\udc80`.
    """
    if isinstance(stream, io.TextIOWrapper):
        if stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="replace")
        elif stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
