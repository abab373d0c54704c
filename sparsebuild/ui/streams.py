"""Streams that never fail on a character."""

from __future__ import annotations

import io
from typing import TextIO

__all__ = ["tolerate"]


def tolerate(stream: TextIO) -> None:
    """Let `stream` write `?` for what its encoding lacks, instead of failing in the middle of a table."""
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
        stream.reconfigure(errors="replace")
