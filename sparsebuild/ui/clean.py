"""What went, or would go, and what stays because it is somebody's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from sparsebuild.ui.figures import count, size
from sparsebuild.ui.inert import one_line

if TYPE_CHECKING:
    from sparsebuild.engine.clean import Cleaned

__all__ = ["show"]

_MOST = 10  # files of others that are named


def show(found: Sequence[Cleaned], is_dry: bool, stream: TextIO) -> None:
    """Write a line for each target, the sum, and the files that stay."""
    there = [cleaned for cleaned in found if cleaned.files or cleaned.left]
    for cleaned in there:
        name = cleaned.action or "the project's own notes"
        stream.write(f"{one_line(name)}: {count(cleaned.files, 'file')}, {size(cleaned.size)}\n")
    total = f"{count(sum(c.files for c in there), 'file')}, {size(sum(c.size for c in there))}"
    stream.write(f"{'would remove' if is_dry else 'removed'} {total}\n")
    left = [path for cleaned in there for path in cleaned.left]
    for path in left[:_MOST]:
        stream.write(f"left {one_line(path)}: it is not as a build left it\n")
    if len(left) > _MOST:
        stream.write(f"left {count(len(left) - _MOST, 'more file')} like that\n")
