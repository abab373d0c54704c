"""What was read of a project's documents, kept in it so that the next command need not read the same text again.

It is not checked again, and a project may come from a stranger; so it is sealed with a key that lies in the user's
cache, and what was not kept by this user is not there.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sparsebuild import __version__
from sparsebuild.atomic import settle, temporary, write_bytes
from sparsebuild.digest import canonical_json, text_digest
from sparsebuild.errors import UserError
from sparsebuild.layout import ProjectLayout, cache_folder, mark_as_cache
from sparsebuild.reading import read_json, read_small

__all__ = ["recall", "remember"]

_KEY = 32  # bytes
_LARGEST = 8_000_000  # bytes


def remember(layout: ProjectLayout, name: str, text: str, make: Callable[[], Mapping[str, Any]]) -> None:
    """Keep what `make` gives for `text` under `name`; it is only asked when it is not there yet."""
    if recall(layout, name, text) is not None:
        return
    with contextlib.suppress(OSError):  # it only spares time
        data = json.loads(json.dumps({**_about(text), "kept": make()}))
        mark_as_cache(layout.state)
        sealed = json.dumps({**data, "seal": _seal(_key() or _new_key(), data)})
        write_bytes(layout.state / f"{name}.json", sealed.encode(), durable=False)


def recall(layout: ProjectLayout, name: str, text: str) -> Mapping[str, Any] | None:
    """What was kept under `name` for this text; None where it is not there, or is not what we kept."""
    try:
        data = read_json(layout.state / f"{name}.json", _LARGEST)
        seal, key, about = data.pop("seal"), _key(), _about(text)
        is_ours = bool(key) and hmac.compare_digest(seal, _seal(key, data))
        if not is_ours or {k: data[k] for k in about} != about:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    kept: Mapping[str, Any] = data["kept"]
    return kept


def _about(text: str) -> dict[str, str]:
    return {"sparsebuild": __version__, "sha256": text_digest(text)}


def _seal(key: bytes, data: Mapping[str, Any]) -> str:
    return hmac.digest(key, canonical_json(data).encode(), "sha256").hex()


def _key() -> bytes:
    """The key; nothing where there is none yet."""
    try:
        key = read_small(_place(), _KEY)
    except (OSError, UserError):
        return b""
    return key if len(key) == _KEY else b""


def _new_key() -> bytes:
    key = os.urandom(_KEY)
    mark_as_cache(cache_folder())
    with temporary(cache_folder()) as new:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(key)
        settle(new, _place(), durable=False)
    return key


def _place() -> Path:
    return cache_folder() / "seal"
