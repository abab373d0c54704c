"""Files that are there whole or not at all, whenever the machine stops."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

__all__ = ["settle", "temporary", "write_bytes"]


def write_bytes(path: Path, data: bytes) -> None:
    """Give `path` the content `data`; a symbolic link at `path` is replaced, not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary(path.parent) as new:
        new.write_bytes(data)
        settle(new, path)


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A new empty file in `folder`, gone at the end of the block unless it was renamed."""
    path = folder / f".{secrets.token_hex(8)}.new"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def settle(new: Path, path: Path, *, read_only: bool = False) -> None:
    """Rename `new` to `path`, on the same disk.

    The bytes reach the disk before the name does, so that a power cut cannot leave the name of an empty file.
    """
    descriptor = os.open(new, os.O_RDWR)
    try:
        os.fsync(descriptor)
        if read_only:
            os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o444)
    finally:
        os.close(descriptor)
    new.replace(path)
