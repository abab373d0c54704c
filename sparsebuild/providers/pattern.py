"""Which files match a pattern such as `more/**/*.jsonl`, whoever wrote it, and whatever lies there.

As Python's `glob` understands it, but that `**` follows no links (two that lead up mean 2⁴⁰ folders), that each folder
is looked at once for each part of the pattern (several `**` ask for it in thousands of ways), and that it gives up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from sparsebuild.errors import UserError

__all__ = ["is_pattern", "matching"]

_MOST = 50_000  # names that are looked at


def is_pattern(text: str) -> bool:
    """Whether `text` may match more than the file of that name."""
    return any(c in text for c in "*?[")


def matching(pattern: str, root: Path) -> list[Path]:
    """The files that match, and the links that lead nowhere, in order; relative patterns start at `root`.

    Raises UserError where there is no end, and for a folder that may not be read.
    """
    parts = Path(pattern).parts
    is_absolute = Path(pattern).is_absolute()
    waiting = [(Path(parts[0]), 1) if is_absolute else (root, 0)]
    seen, found, looked_at = set(waiting), [], 0
    while waiting:
        folder, number = waiting.pop()
        if number == len(parts):
            found += [folder] if folder.is_file() or (folder.is_symlink() and not folder.exists()) else []
            continue
        for step in _steps(folder, parts, number):
            looked_at += 1
            if looked_at > _MOST:
                raise UserError(
                    f"`{pattern}` would look at more than {_MOST:,} files", hint="name a folder that holds fewer"
                )
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return sorted(found)


def _steps(folder: Path, parts: tuple[str, ...], number: int) -> Iterator[tuple[Path, int]]:
    """Where a part of the pattern leads from `folder`, and which part comes next there."""
    part = parts[number]
    if part == "**":
        yield folder, number + 1
    elif not is_pattern(part):
        yield folder / part, number + 1
        return
    for entry in _entries(folder):
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if hidden:
            continue
        if part == "**" and entry.is_dir(follow_symlinks=False):
            yield folder / entry.name, number
        elif fnmatchcase(entry.name, part) and (part != "**" or number + 1 == len(parts)):
            yield folder / entry.name, number + 1


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing in what is none."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(
            f"the folder `{folder.name}` cannot be looked into: {error.strerror}",
            hint=f"check who may read {folder}, or name the files without a pattern that leads there",
        ) from None
