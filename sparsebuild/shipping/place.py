"""Publishing to a folder: all files, put in place by one renaming."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sparsebuild.errors import UserError
from sparsebuild.shipping.folder import NAMES
from sparsebuild.shipping.parcel import Item
from sparsebuild.shipping.provenance import FILE_NAME, compare, files_below, read

__all__ = ["place"]


def place(folder: Path, items: Sequence[Item]) -> None:
    """Make `folder` hold `items` and nothing else; one that holds what is not ours, or was edited, is refused."""
    _refuse_what_is_not_ours(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _beside(folder) as staging:
            new = staging / "new"
            for item in items:
                (new / item.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(item.source, new / item.path)
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


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder on the same disk that is gone in the end, with whatever of an earlier publishing is in it."""
    staging = Path(tempfile.mkdtemp(prefix=".sparsebuild-publish-", dir=folder.parent))
    try:
        yield staging
    finally:
        if (staging / "old").exists() and not folder.exists():
            (staging / "old").rename(folder)
        shutil.rmtree(staging, ignore_errors=True)
