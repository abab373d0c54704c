"""What was ever built or fetched, by content, in the user's cache; shared by projects.

    <cache>/objects/ab/ab12…             one file's bytes, named by their sha256, read-only
    <cache>/traces/<fingerprint>.json    the record of an action that was done: which objects it left
    <cache>/temporary/                   files on their way; safe to delete while nothing runs

Objects are copied in and out, by reference (reflink) where the disk can, and never hard-linked: an edit in `build/`
would rot the store through a link, and each new link moves the ctime of all the others, which no stat cache survives.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from sparsebuild.digest import file_digest
from sparsebuild.engine import record as records
from sparsebuild.engine.atomic import settle, temporary, write_bytes
from sparsebuild.engine.record import Record
from sparsebuild.layout import mark_as_cache

__all__ = ["Damaged", "Missing", "Store"]


class Missing(Exception):
    """The store has no object of that sha256."""


class Damaged(Missing):
    """The object's bytes were not those of its name; it has been removed."""


class Store:
    """The store under the folder `root`; nothing is created before something is put."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, sha256: str) -> Path:
        """Where the object is, or would be."""
        return self._root / "objects" / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether there is such an object; its bytes are checked when it is copied or read."""
        path = self.path(sha256)
        return path.is_file() and not path.is_symlink()

    def put(self, file: Path) -> str:
        """Keep a copy of `file`; its sha256."""
        with temporary(self._temporary()) as new:
            _copy(file, new)
            return self._keep(new)

    def put_bytes(self, data: bytes) -> str:
        """Keep `data`; its sha256."""
        with temporary(self._temporary()) as new:
            new.write_bytes(data)
            return self._keep(new)

    def read_bytes(self, sha256: str) -> bytes:
        """The object's bytes, checked. Raises Missing or Damaged."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise Missing(sha256) from None
        self._check(sha256, hashlib.sha256(data).hexdigest())
        return data

    def copy_to(self, sha256: str, destination: Path) -> None:
        """Make `destination` a copy of the object, checked, and the caller's to edit. Raises Missing or Damaged."""
        destination.parent.mkdir(parents=True, exist_ok=True)
        with temporary(destination.parent) as new:
            try:
                _copy(self.path(sha256), new)
            except FileNotFoundError:
                raise Missing(sha256) from None
            self._check(sha256, file_digest(new))
            new.replace(destination)

    def remember(self, record: Record) -> None:
        """Keep `record`, so that asking its question again finds its outputs; they must have been put before."""
        mark_as_cache(self._root)
        write_bytes(self._trace(record.fingerprint), json.dumps(records.to_json(record), ensure_ascii=False).encode())

    def recall(self, fingerprint: str) -> Record | None:
        """The record of this question, if all of its outputs are still here."""
        path = self._trace(fingerprint)
        record = records.read(path.parent, path.stem)
        if record is None or record.fingerprint != fingerprint:
            return None
        return record if all(self.has(file.sha256) for file in record.outputs) else None

    def _keep(self, new: Path) -> str:
        sha256 = file_digest(new)
        if not self.has(sha256):
            self.path(sha256).parent.mkdir(parents=True, exist_ok=True)
            settle(new, self.path(sha256), read_only=True)
        return sha256

    def _check(self, promised: str, found: str) -> None:
        if found != promised:
            self.path(promised).unlink(missing_ok=True)
            raise Damaged(promised)

    def _trace(self, fingerprint: str) -> Path:
        return self._root / "traces" / f"{fingerprint}.json"

    def _temporary(self) -> Path:
        mark_as_cache(self._root)
        folder = self._root / "temporary"
        folder.mkdir(exist_ok=True)
        return folder


def _copy(source: Path, destination: Path) -> None:
    with source.open("rb") as reader, destination.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        try:
            while os.copy_file_range(reader.fileno(), writer.fileno(), 1 << 30):
                pass
        except (AttributeError, OSError):  # not on this system, or not between these disks
            pass
        if os.fstat(writer.fileno()).st_size != size:
            reader.seek(0)
            writer.seek(0)
            writer.truncate()
            shutil.copyfileobj(reader, writer, 1 << 20)
