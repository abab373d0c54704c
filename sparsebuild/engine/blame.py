"""What a failed call to the system means to a person: which place, how much is missing, what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sparsebuild.errors import UserError
from sparsebuild.layout import MANIFEST_NAME, ProjectLayout, cache_folder

__all__ = ["blame_environment", "blamed", "blamed_anywhere", "blamed_cache", "is_full", "no_space"]

_OF_THE_ENVIRONMENT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
_OF_THE_CACHE = _OF_THE_ENVIRONMENT | {errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG, errno.EIO}


def blame_environment(error: OSError, layout: ProjectLayout, cache: Path | None = None) -> UserError:
    """The error that names the place in the project or in the cache, for one that the engine met on the user's disk.

    Steps' own errors come as other types. Where the place is absolute, only the hint says so: a message may travel.
    """
    path = _named(error) or layout.root
    if is_full(error):
        return no_space(path.name, path)
    reason = error.strerror or str(error)
    if cache and path.is_relative_to(cache):
        place = f"{path.relative_to(cache).as_posix()} in the cache" if path != cache else "the cache"
        return UserError(
            f"cannot read or write {place}: {reason}",
            hint=f"check who owns {cache}, or set SPARSEBUILD_CACHE_DIR to a folder of your own",
        )
    if not path.is_relative_to(layout.root):
        return UserError(
            f"cannot read or write {path.name}: {reason}",
            hint=f"check who owns {path}, and that its disk is not read-only",
        )
    place = path.relative_to(layout.root).as_posix()
    return UserError(
        f"cannot read or write {place} in the project: {reason}",
        hint=f"check who owns {layout.root}, and that its disk is not read-only",
    )


def blamed_anywhere(error: OSError) -> UserError | None:
    """That error where it is not known who was at work; None if the cause is not the user's rights or disk."""
    if told := blamed_cache(error):
        return told
    if error.errno not in _OF_THE_ENVIRONMENT:
        return None
    if not (named := _named(error)):  # our files are named, so it is most likely a stream
        hint = "look where stdout goes, and at the disk of the project"
        return UserError(f"cannot read or write: {error.strerror}", hint=hint)
    path = Path(os.path.abspath(named))  # noqa: PTH100 - a link on the way may be what cannot be read
    root = next((p for p in (path, *path.parents) if os.path.lexists(p / MANIFEST_NAME)), path)
    error.filename, error.filename2 = str(path), None
    return blame_environment(error, ProjectLayout(root))


def blamed_cache(error: OSError) -> UserError | None:
    """That error where a place in the cache cannot be read or written, whoever was at work; None for all others."""
    named = _named(error)
    if not named or error.errno not in _OF_THE_CACHE:
        return None
    try:
        cache = cache_folder().absolute()
    except UserError:
        return None
    path = named.absolute()
    if cache.is_relative_to(path) and error.errno in (errno.ENOTDIR, errno.EEXIST):  # what should hold it is a file
        path = cache
    if not path.is_relative_to(cache):
        return None
    error.filename, error.filename2 = str(path), None
    return blame_environment(error, ProjectLayout(path), cache)


@contextlib.contextmanager
def blamed(layout: ProjectLayout, cache: Path | None = None) -> Iterator[None]:
    """Turn an OSError of the block into that error."""
    try:
        yield
    except OSError as error:
        raise blame_environment(error, layout, cache) from error


def no_space(what: str, folder: Path, needed: int | None = None) -> UserError:
    """There is no room in `folder`, or where it would be, for `what`, which would take `needed` bytes."""
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
    room = f"{_size(shutil.disk_usage(there).free)} there"
    wanted = f"{_size(needed)} needed, " if needed is not None else ""
    return UserError(
        f"no space left on the disk for {what}: {wanted}{room}",
        hint=f"free some on the disk that holds {there}, and run again; what was built before is still there",
    )


def is_full(error: OSError) -> bool:
    """Whether the disk, or our share of it, has no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _named(error: OSError) -> Path | None:
    """The file that was to be read or written; the second, where one was to become the other."""
    name = error.filename if error.filename2 is None else error.filename2
    return Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{size_bytes:,} bytes"
