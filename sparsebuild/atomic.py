"""Files that are there whole or not at all, whenever the process or the machine stops.

A file is written under another name and then renamed. That is all that `kill -9` asks for: the kernel lives on, and
what was written is written. A power cut may also take what the kernel had not yet brought to the disk, which leaves
names of empty, torn or zeroed files, or no names. To wait for the disk (`fsync`) costs milliseconds for each file, and
would be most of the cost of a build of small targets. So what is right after a power cut rests on hashes:

    what may be lost or torn     how it is noticed                          what it costs
    ---------------------------  -----------------------------------------  ----------------------------------------
    an output in `build/`        it has not the sha256 of its record; the   restored from the store
                                 stat cache is not trusted across a boot
    an object of the store       its bytes are checked when it is copied    built again
    a record, a trace            it is no JSON, so there is none            restored from the trace; built again
    notes, the stat cache        they are no JSON                           hashed again

We wait where losing it would cost more than waiting (`durable`): for objects, trace and record of a step that took long
or left much, and for what people see or cannot have again, such as `sparse.lock`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sparsebuild.errors import UserError

__all__ = ["is_alive", "refuse_links", "settle", "sweep", "sync", "temporary", "write_bytes"]

_NO_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP}


def write_bytes(path: Path, data: bytes, *, durable: bool = True, mode: int | None = None) -> None:
    """Give `path` the content `data`; a symbolic link at `path` is replaced, not followed.

    If `durable`, it survives a power cut right after this. Left out, `mode` is that of any new file. An OSError names
    `path`.
    """
    try:
        with temporary(path.parent) as new:
            with _open_new(new) as stream:
                if mode is not None:
                    os.fchmod(stream.fileno(), mode)
                stream.write(data)
            settle(new, path, durable=durable)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _open_new(path: Path) -> BinaryIO:
    """Open a file that is not there yet for writing; its folder is made if need be."""
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """The path of a new file in `folder`, to open with "x"; gone at the end of the block unless it was renamed."""
    path = folder / f".{os.getpid()}.{os.urandom(8).hex()}.new"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files in `folder` whose writers were killed."""
    for path in folder.glob(".*.*.new"):
        ours = re.fullmatch(r"\.(\d+)\.[0-9a-f]+\.new", path.name)
        if ours and not is_alive(ours[1]):
            path.unlink(missing_ok=True)


def settle(new: Path, path: Path, *, read_only: bool = False, durable: bool = True) -> None:
    """Rename `new` to `path`, on the same disk; if `durable`, the bytes reach the disk before the name does."""
    if read_only:
        new.chmod(new.stat().st_mode & 0o444)
    if durable:
        sync(new)
    new.replace(path)
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a folder, are on the disk. Not every disk does it for folders."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC or not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise
    finally:
        os.close(descriptor)


def is_alive(pid: str) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def refuse_links(root: Path, folder: Path) -> None:
    """Raise UserError if a part of `folder` below `root` is a symbolic link: it could lead anywhere."""
    path = root
    for part in folder.relative_to(root).parts:
        path /= part
        if path.is_symlink():
            name = path.relative_to(root).as_posix()
            raise UserError(
                f"`{name}` is a symbolic link, and nothing is written through links",
                hint="remove it; to keep files on another disk, move the whole project or cache there",
            )
