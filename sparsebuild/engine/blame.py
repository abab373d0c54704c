"""What a failed call to the system means to a person: which place, how much is missing, what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sparsebuild.errors import UserError
from sparsebuild.layout import ProjectLayout

__all__ = ["blame_environment", "blamed", "is_full", "no_space"]


def blame_environment(error: OSError, layout: ProjectLayout, cache: Path | None = None) -> UserError:
    """The error that names the place in the project or in the cache, for one that the engine met on the user's disk.

    Steps' own errors come as other types. Where the place is absolute, only the hint says so: a message may travel.
    """
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else layout.root
    if is_full(error):
        return no_space(path.name, path)
    reason = error.strerror or str(error)
    if cache and path.is_relative_to(cache):
        place = path.relative_to(cache).as_posix()
        return UserError(
            f"cannot read or write {place} in the cache: {reason}",
            hint=f"check who owns {cache}, or set SPARSEBUILD_CACHE_DIR to a folder of your own",
        )
    place = path.relative_to(layout.root).as_posix() if path.is_relative_to(layout.root) else path.name
    return UserError(
        f"cannot read or write {place} in the project: {reason}",
        hint=f"check who owns {layout.root}, and that its disk is not read-only",
    )


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


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 100_000 else f"{size_bytes:,} bytes"
