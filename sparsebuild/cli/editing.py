"""Writing files of the user's back: `sparse.toml`, a recipe."""

from __future__ import annotations

import stat
from pathlib import Path

from sparsebuild.atomic import write_bytes

__all__ = ["write_back", "write_manifest"]

_MARK = b"\xef\xbb\xbf"  # with which some editors begin a file


def write_manifest(manifest: Path, text: str) -> None:
    """Give the manifest another text. Its byte order mark stays."""
    mark = _MARK if manifest.read_bytes().startswith(_MARK) else b""
    write_back(manifest, mark + text.encode())


def write_back(file: Path, data: bytes) -> None:
    """Give a file other content, whole or not at all. Its mode stays, and a link: what that leads to is written."""
    real = file.resolve()
    write_bytes(real, data, mode=stat.S_IMODE(real.stat().st_mode))
