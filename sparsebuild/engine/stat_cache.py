"""Not hashing again what did not move: a file's stat to its sha256.

A stat is never the identity of anything: it only says that the bytes are those that were hashed before.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from sparsebuild.digest import file_digest
from sparsebuild.engine.atomic import write_bytes

__all__ = ["StatCache"]

_FORMAT = 1

# Within one tick of the disk's clock a file can change and keep its times, so a file that changed this shortly before
# it was hashed is hashed again next time. Linux ticks every 1–10 ms; disks that count seconds (FAT, old NFS) show it.
_TICK_NS = 50_000_000
_COARSE_TICK_NS = 2_000_000_000


class StatCache:
    """sha256 by (device, inode, size, mtime_ns, ctime_ns), kept in the file `path`; read when first asked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[int | str]] | None = None  # "device:inode" to size, mtime, ctime, sha256
        self._changed = False

    def digest(self, file: Path) -> str:
        """The sha256 of `file`; raises OSError as opening it would."""
        key, times = _identity(file.stat())
        entry = self._entries().get(key)
        if isinstance(entry, list) and entry[:-1] == times:
            return str(entry[-1])
        return self._hash(file, key)

    def save(self) -> None:
        """Write what was learned; does nothing where nothing was."""
        if self._changed:
            write_bytes(self._path, json.dumps({"format": _FORMAT, "known": self._known}).encode())
            self._changed = False

    def _hash(self, file: Path, key: str) -> str:
        started = time.time_ns()
        before = file.stat()
        sha256 = file_digest(file)
        if _identity(file.stat()) == _identity(before) and _is_settled(before, started):
            self._entries()[key] = [*_identity(before)[1], sha256]
            self._changed = True
        elif self._entries().pop(key, None):
            self._changed = True
        return sha256

    def _entries(self) -> dict[str, list[int | str]]:
        if self._known is None:
            self._known = _read(self._path)
        return self._known


def _identity(stat: os.stat_result) -> tuple[str, list[int]]:
    return f"{stat.st_dev}:{stat.st_ino}", [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _is_settled(stat: os.stat_result, now_ns: int) -> bool:
    # ctime and not mtime: every write moves it, and nobody can set it back.
    tick = _TICK_NS if stat.st_ctime_ns % 1_000_000_000 else _COARSE_TICK_NS
    return now_ns - stat.st_ctime_ns > tick


def _read(path: Path) -> dict[str, list[int | str]]:
    # Whatever is wrong with the file, the answer is to hash again.
    try:
        data = json.loads(path.read_bytes())
        known = data["known"] if data["format"] == _FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return known if isinstance(known, dict) else {}
