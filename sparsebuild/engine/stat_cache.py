"""Not hashing again what did not move: a file's stat to its sha256.

A stat is never the identity of anything: it only says that the bytes are those that were hashed before. Twice it does
not say so:

- Within one tick of the disk's clock a file can change and keep its times. What was hashed this soon after a change is
  not remembered, until it is hashed again after the tick (`calm`).
- A power cut can take bytes that had been written and hashed, and leave their times. An entry therefore counts in the
  boot in which it was made; only where the file had the same times and bytes in an earlier boot did both come from the
  disk, and the entry is lasting.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import TypeAlias

from sparsebuild.atomic import write_bytes
from sparsebuild.digest import file_digest
from sparsebuild.reading import read_json

__all__ = ["StatCache"]

_FORMAT = 3

# Linux ticks every 1–10 ms; disks that count seconds (FAT, old NFS) show it.
_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000

# It is quicker to wait for the tick than to hash a file of this size twice.
_LARGE = 8 << 20  # bytes

# Files come and go. Beyond so many entries that nobody asked for, all of those are dropped.
_MOST_UNUSED = 20_000
_MOST_BYTES = 40_000_000  # of the file: three hundred thousand entries

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# By "device:inode": "size mtime_ns ctime_ns sha256". Texts, as 100,000 lists would keep the garbage collector busy.
_Entries: TypeAlias = dict[str, str]


class StatCache:
    """sha256 by (device, inode, size, mtime_ns, ctime_ns), kept in the file `path`; read when first asked.

    Several threads may ask; one saves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # of the first reading
        self._known: _Entries | None = None
        self._lasting: set[str] = set()  # keys of it
        self._earlier: _Entries = {}  # entries of another boot
        self._young: dict[str, tuple[str, int, Path]] = {}  # hashed too soon, and since when known to be the same
        self._used: set[str] = set()
        self._changed = False

    def digest(self, file: Path) -> str:
        """The sha256 of `file`; raises OSError as opening it would."""
        key, times = _identity(os.stat(file))  # noqa: PTH116 - half the time of Path.stat, and 100,000 files are asked for
        entry = self._entries().get(key)
        self._used.add(key)
        if isinstance(entry, str) and entry.startswith(times):
            return entry[len(times) :]
        return self._hash(file)

    def digest_anew(self, file: Path) -> str:
        """The same, but the bytes are read in any case; what is learned from them is remembered."""
        return self._hash(file)

    def calm(self) -> bool:
        """Hash again what was hashed too soon, once it can be believed; whether there was any.

        Files that were renamed since are the caller's to ask for by their new names.
        """
        if not self._young:
            return False
        _sleep_until(max(since for _, since, _ in self._young.values()) + _TICK_NS)
        for _, _, file in list(self._young.values()):
            with contextlib.suppress(OSError):
                self.digest(file)
        return True

    def save(self) -> None:
        """Write what was learned; does nothing where nothing was."""
        if not self._changed:
            return
        boot = _boot()
        if not boot:
            os.sync()  # nobody will be able to tell a later boot from this one
        known = dict(self._entries())
        if len(known) - len(self._used) > _MOST_UNUSED:
            known = {key: entry for key, entry in known.items() if key in self._used}
        data = {"format": _FORMAT, "boot": boot, "lasting": sorted(self._lasting & known.keys()), "known": known}
        write_bytes(self._path, json.dumps(data).encode(), durable=False)
        self._changed = False

    def _hash(self, file: Path) -> str:
        before = file.stat()
        key, times = _identity(before)
        since = self._same_since(key, before)
        if before.st_size >= _LARGE:
            _sleep_until(since + _TICK_NS)
        believed = time.monotonic_ns() - since > _tick(before)
        sha256 = file_digest(file)
        if believed and _identity(file.stat()) == (key, times):
            self._learn(key, times, sha256)
        else:
            self._forget(key)
            self._young[key] = (times, since, file)
        return sha256

    def _same_since(self, key: str, found: os.stat_result) -> int:
        """From when on the file is known to have this stat, on the monotonic clock."""
        now = time.monotonic_ns()
        times, since, _ = self._young.get(key, ("", now, None))
        seen = since if times == _identity(found)[1] else now
        # ctime and not mtime: every write moves it, and nobody can set it back. The clock may have been, though.
        return min(seen, now - max(0, time.time_ns() - found.st_ctime_ns))

    def _learn(self, key: str, times: str, sha256: str) -> None:
        entry = self._entries()[key] = times + sha256
        if self._earlier.get(key) == entry:
            self._lasting.add(key)
        else:
            self._lasting.discard(key)
        self._young.pop(key, None)
        self._changed = True

    def _forget(self, key: str) -> None:
        if self._entries().pop(key, None):
            self._changed = True

    def _entries(self) -> _Entries:
        with self._lock:
            if self._known is None:
                self._known, self._earlier, self._lasting = _read(self._path)
            return self._known


def _identity(stat: os.stat_result) -> tuple[str, str]:
    return f"{stat.st_dev}:{stat.st_ino}", f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} "


def _tick(stat: os.stat_result) -> int:
    return _TICK_NS if stat.st_ctime_ns % 1_000_000_000 else _COARSE_TICK_NS


def _sleep_until(moment: int) -> None:  # ns of the monotonic clock
    time.sleep(max(0, moment - time.monotonic_ns() + 1_000_000) / 1e9)


def _boot() -> str:
    """What tells this boot of the machine from others; empty where nothing does."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _read(path: Path) -> tuple[_Entries, _Entries, set[str]]:
    """The entries that count now, those of another boot, and which of the former are lasting."""
    # Whatever is wrong with the file, the answer is to hash again.
    try:
        data = read_json(path, _MOST_BYTES)
        format_, boot, known, lasting = data["format"], data["boot"], dict(data["known"]), set(data["lasting"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}, {}, set()
    if format_ != _FORMAT:
        return {}, {}, set()
    if boot == _boot():
        return known, {}, lasting
    return {k: known[k] for k in lasting & known.keys()}, {k: known[k] for k in known.keys() - lasting}, lasting
