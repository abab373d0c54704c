"""Identity of bytes and of values: sha256, everywhere, in lower-case hex."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["canonical_json", "file_digest", "text_digest", "value_digest"]


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, read in constant memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """The sha256 of `text` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def value_digest(value: Any) -> str:
    """The sha256 of a JSON value, whatever order its keys were written in."""
    return text_digest(canonical_json(value))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. Refuses NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
