"""Publishing to a folder: all files, put in place by one renaming."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sparsebuild.atomic import is_alive
from sparsebuild.errors import UserError
from sparsebuild.shipping.folder import NAMES
from sparsebuild.shipping.parcel import Item
from sparsebuild.shipping.provenance import FILE_NAME, compare, files_below, read

__all__ = ["place"]


def place(folder: Path, items: Sequence[Item]) -> None:
    """Make `folder` hold `items` and nothing else; one that holds what is not ours, or was edited, is refused."""
    try:
        _end_what_was_killed(folder)
        _refuse_what_is_not_ours(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _beside(folder) as staging:
            new = staging / "new"
            for item in items:
                (new / item.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(item.source, new / item.path)
            _refuse_what_changed(new)
            if folder.exists():
                folder.rename(staging / "old")
            new.rename(folder)
    except OSError as error:
        raise UserError(f"`{folder}` cannot be written: {error.strerror}") from error


def _refuse_what_is_not_ours(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"`{folder}` is not a folder")
    there = [*files_below(folder)] if folder.exists() else []
    strange = [name for name in there if name not in NAMES]
    differences = compare(folder, read(folder)) if (folder / FILE_NAME).exists() else ()
    strange += [found.path for found in differences if found.what == "not in the statement"]
    if strange or (there and not (folder / FILE_NAME).exists()):
        shown = f", such as `{strange[0]}`" if strange else ""
        raise UserError(f"`{folder}` holds files that no publishing left there{shown}", hint="name another folder")
    if edited := ", ".join(f"`{found.path}`" for found in differences if found.what == "changed"):
        raise UserError(
            f"`{folder}` holds files that were edited since they were published there: {edited}",
            hint="move them elsewhere to have them published anew, or name another folder",
        )


def _refuse_what_changed(new: Path) -> None:
    """Raise UserError where a run put other files in the place of those that were looked at."""
    if changed := ", ".join(f"`{found.path}`" for found in compare(new, read(new))):
        raise UserError(
            f"what was built changed while it was published: {changed}", hint="publish again when no run is at work"
        )


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk that is gone in the end, with whatever of an earlier publishing is in it."""
    staging = Path(tempfile.mkdtemp(prefix=f"{_prefix(folder)}{os.getpid()}-", dir=folder.parent))
    try:
        yield staging
    finally:
        _end(staging, folder)


def _end_what_was_killed(folder: Path) -> None:
    """Take back what a publishing that was killed had moved away, and remove what it had begun."""
    for staging in folder.parent.glob(f"{_prefix(folder)}*"):
        pid = staging.name.removeprefix(_prefix(folder)).partition("-")[0]
        if staging.is_dir() and not staging.is_symlink() and pid.isdigit() and not is_alive(pid):
            _end(staging, folder)


def _end(staging: Path, folder: Path) -> None:
    if (staging / "old").exists() and not folder.exists():
        (staging / "old").rename(folder)
    shutil.rmtree(staging, ignore_errors=True)


def _prefix(folder: Path) -> str:
    """How staging folders for `folder` are called, which may lie beside those for others."""
    return f".sparsebuild-publish-{hashlib.sha256(os.fsencode(folder.name)).hexdigest()[:12]}-"
