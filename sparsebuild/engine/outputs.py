"""The files that an action leaves, and what others read of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from sparsebuild.digest import value_digest
from sparsebuild.engine.action import File
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.errors import TargetFailed

__all__ = ["LINK", "digest", "everything", "is_folder", "present", "read", "scan", "under"]

LINK = "a symbolic link"  # stands for the digest of an output that somebody replaced by one


def scan(folder: Path, stat_cache: StatCache) -> tuple[File, ...]:
    """All files under `folder`, in order of their paths. Raises TargetFailed for anything that is no plain file."""
    files = [
        File(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=stat_cache.digest(path))
        for path in _plain_files(folder)
    ]
    return tuple(sorted(files, key=lambda file: file.path))


def present(folder: Path, files: Iterable[File], stat_cache: StatCache) -> Mapping[str, str]:
    """The sha256 of those of `files` that stand in `folder` now, by path; what else stands there is left out."""
    found = {}
    for file in files:
        path = folder / file.path
        try:
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) or stat.S_ISLNK(mode):  # nothing waits for a pipe
                found[file.path] = LINK if stat.S_ISLNK(mode) else stat_cache.digest(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def everything(path: Path) -> Iterator[Path]:
    """`path` itself if it is a file or a link, or all of them under it, whoever left them; where links lead is not."""
    if not is_folder(path):
        yield from [path] if os.path.lexists(path) else []
        return
    for parent, folders, names in os.walk(path, onerror=_raise):
        yield from (Path(parent, name) for name in names)
        yield from (Path(parent, name) for name in folders if Path(parent, name).is_symlink())


def is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def under(files: Iterable[File], path: str) -> tuple[File, ...]:
    """Those of `files` that are `path` or in the folder `path`; all for an empty `path`."""
    inside = path.rstrip("/") + "/"
    return tuple(file for file in files if not path or file.path == path or file.path.startswith(inside))


def read(files: Iterable[File], path: str) -> tuple[File, ...]:
    """What a reader of `path` sees: the files `under` it, with their paths from there on."""
    inside = path.rstrip("/") + "/" if path else ""
    return tuple(replace(file, path=file.path.removeprefix(inside)) for file in under(files, path))


def digest(files: Iterable[File]) -> str:
    """One sha256 for names and bytes, in whatever order they come."""
    return value_digest(sorted([file.path, file.sha256] for file in files))


def _plain_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_raise):  # what cannot be listed is not "no files"
        for name in (*folders, *names):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield path
            elif not stat.S_ISDIR(mode):
                raise TargetFailed(f"the output {path.relative_to(folder).as_posix()} is not a plain file")


def _raise(error: OSError) -> NoReturn:
    raise error
