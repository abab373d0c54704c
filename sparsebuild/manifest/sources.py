"""How a source is written: `scheme:rest`, or a bare path, which means `file:`."""

from __future__ import annotations

import re

__all__ = ["split_source", "written_in_full"]

# One letter before the colon is a drive of Windows, not a scheme.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def split_source(source: str) -> tuple[str, str]:
    """The scheme and what follows it; `data/train.jsonl` is ("file", "data/train.jsonl")."""
    match = _SCHEME.match(source)
    return (match[1].lower(), source[match.end() :]) if match else ("file", source)


def written_in_full(source: str) -> str:
    """The source with its scheme, so that adding `file:` to a path is not a change."""
    return ":".join(split_source(source))
