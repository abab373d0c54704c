"""Folders in which `init` and `unbundle` get all ready before any of it stands where it belongs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sparsebuild.atomic import is_alive

__all__ = ["stage", "was_killed"]

_NAME = re.compile(r"\.sparsebuild-(?:init|unbundle)-(\d+)-\w+")


def stage(command: str, folder: Path) -> Path:
    """A new folder in `folder`, whose name tells which process of which command works there."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix=f".sparsebuild-{command}-{os.getpid()}-", dir=folder))


def was_killed(path: Path) -> bool:
    """Whether `path` is such a folder, of a process that is no more."""
    ours = _NAME.fullmatch(path.name)
    return ours is not None and path.is_dir() and not path.is_symlink() and not is_alive(ours[1])
