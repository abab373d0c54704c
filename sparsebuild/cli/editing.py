"""Writing `sparse.toml` back."""

from __future__ import annotations

from pathlib import Path

from sparsebuild.engine.atomic import write_bytes

__all__ = ["write_manifest"]

_MARK = b"\xef\xbb\xbf"  # with which some editors begin a file


def write_manifest(manifest: Path, text: str) -> None:
    """Give the manifest another text. Its byte order mark stays; if it is a link, what that leads to is written."""
    mark = _MARK if manifest.read_bytes().startswith(_MARK) else b""
    write_bytes(manifest.resolve(), mark + text.encode())
