"""What was ever built or fetched, by content, in the user's cache; shared by projects.

    <cache>/objects/ab/ab12…             one file's bytes, named by their sha256, read-only
    <cache>/traces/<fingerprint>.json    the record of an action that was done: which objects it left
    <cache>/projects/<digest>.json       where a project lies that uses this store, so that what it needs is kept
    <cache>/temporary/                   files on their way; safe to delete while nothing runs

An object's mtime says when it was last of use: made, asked for again, or copied out. `garbage.py` goes by it.

Objects are copied in and out, by reference (reflink) where the disk can, and never hard-linked: an edit in `build/`
would rot the store through a link, and each new link moves the ctime of all the others, which no stat cache survives.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from sparsebuild.atomic import refuse_links, settle, temporary, write_bytes
from sparsebuild.digest import file_digest
from sparsebuild.engine import record as records
from sparsebuild.engine.blame import is_full, no_space
from sparsebuild.engine.record import Record
from sparsebuild.layout import mark_as_cache
from sparsebuild.reading import read_json

__all__ = ["Damaged", "Missing", "Store"]


class Missing(Exception):
    """The store has no object of that sha256."""


class Damaged(Missing):
    """The object's bytes were not those of its name; it has been removed."""


class Store:
    """The store under the folder `root`; nothing is created before something is put."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._is_marked = False

    def path(self, sha256: str) -> Path:
        """Where the object is, or would be."""
        return self.root / "objects" / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether there is such an object, of that size if it is given; its bytes are checked when it is copied."""
        try:
            found = self.path(sha256).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and size in (None, found.st_size)

    def use(self, sha256: str, size: int | None = None) -> bool:
        """Whether there is such an object; if so, it was of use just now, and stays for a while."""
        if not self.has(sha256, size):
            return False
        try:
            os.utime(self.path(sha256), follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:  # another user's: we may read it, and they decide how long it stays
            pass
        return True

    def put(self, file: Path, digest: Callable[[Path], str] | None = None, *, durable: bool = True) -> str:
        """Keep a copy of `file`; its sha256.

        Where a stat cache's `digest` says before and after that nobody wrote to `file`, the copy is not read for it:
        it is when it is copied out.
        """
        with _room(f"{file.name} in the cache", self.root, file.stat().st_size), temporary(self.temporary()) as new:
            sha256 = digest(file) if digest else ""
            _copy(file, new)
            if not digest or digest(file) != sha256:
                sha256 = file_digest(new)
            return self._keep(new, sha256, durable)

    def read_bytes(self, sha256: str) -> bytes:
        """The object's bytes, checked. Raises Missing or Damaged."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise Missing(sha256) from None
        self._check(sha256, hashlib.sha256(data).hexdigest())
        return data

    def check(self, sha256: str) -> None:
        """Read the object to see whether it is whole. Raises Missing or Damaged."""
        try:
            self._check(sha256, file_digest(self.path(sha256)))
        except FileNotFoundError:
            raise Missing(sha256) from None

    def copy_to(self, sha256: str, destination: Path) -> None:
        """Make `destination` a copy of the object, checked, and the caller's to edit. Raises Missing or Damaged."""
        try:
            size = self.path(sha256).stat().st_size
        except FileNotFoundError:
            raise Missing(sha256) from None
        destination.parent.mkdir(parents=True, exist_ok=True)
        with _room(destination.name, destination.parent, size), temporary(destination.parent) as new:
            try:
                _copy(self.path(sha256), new)
            except FileNotFoundError:
                raise Missing(sha256) from None
            self._check(sha256, file_digest(new))
            new.replace(destination)
        self.use(sha256)

    def remember(self, record: Record, *, durable: bool = True) -> None:
        """Keep `record`, so that asking its question again finds its outputs; they must have been put before."""
        trace = self._trace(record.fingerprint)
        refuse_links(self.root, trace.parent)
        self._mark()
        records.write(trace.parent, trace.stem, record, durable=durable)

    def recall(self, fingerprint: str) -> Record | None:
        """The record of this question, if all of its outputs are still here."""
        path = self._trace(fingerprint)
        record = records.read(path.parent, path.stem)
        if record is None or record.fingerprint != fingerprint:
            return None
        return record if all(self.has(file.sha256, file.size) for file in record.outputs) else None

    def know(self, root: Path) -> None:
        """Remember that the project at `root` uses this store."""
        file = self._project(root)
        if _read_project(file) != root:
            refuse_links(self.root, file.parent)
            self._mark()
            write_bytes(file, json.dumps({"root": str(root)}).encode())

    def projects(self) -> tuple[Path, ...]:
        """Where the projects lie that this store was told of, whether or not they are still there."""
        known = (_read_project(file) for file in sorted((self.root / "projects").glob("*.json")))
        return tuple(root for root in known if root)

    def forget_project(self, root: Path) -> None:
        """Know no more of the project at `root`."""
        self._project(root).unlink(missing_ok=True)

    def temporary(self) -> Path:
        """Where files are on their way, on the disk of the objects."""
        self._mark()
        folder = self.root / "temporary"
        refuse_links(self.root, folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _mark(self) -> None:
        if not self._is_marked:
            mark_as_cache(self.root)
            self._is_marked = True

    def _keep(self, new: Path, sha256: str, durable: bool) -> str:
        if not self.use(sha256, new.stat().st_size):
            path = self.path(sha256)
            refuse_links(self.root, path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            settle(new, path, read_only=True, durable=durable)
        return sha256

    def _check(self, promised: str, found: str) -> None:
        if found != promised:
            path = self.path(promised)
            refuse_links(self.root, path.parent)
            path.unlink(missing_ok=True)
            raise Damaged(promised)

    def _project(self, root: Path) -> Path:
        return self.root / "projects" / f"{hashlib.sha256(os.fsencode(root)).hexdigest()}.json"

    def _trace(self, fingerprint: str) -> Path:
        return self.root / "traces" / f"{fingerprint}.json"


def _read_project(file: Path) -> Path | None:
    try:
        root = Path(read_json(file)["root"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return root if root.is_absolute() else None


@contextlib.contextmanager
def _room(what: str, folder: Path, needed: int) -> Iterator[None]:
    """Say in an error how much room there was, once what was begun is removed again."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise no_space(what, folder, needed) from error
        raise


def _copy(source: Path, destination: Path) -> None:
    with source.open("rb") as reader, destination.open("xb") as writer:
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
