"""What `verify` found where it found nothing wrong; the rest are errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from sparsebuild.ui.figures import count, duration, size
from sparsebuild.ui.inert import inert

if TYPE_CHECKING:
    from sparsebuild.engine.rebuild import Rebuilt
    from sparsebuild.engine.verify import Verified

__all__ = ["show", "show_rebuilt"]


def show(found: Sequence[Verified], stream: TextIO) -> None:
    """Write how much was read, and what there was not."""
    there = [verified for verified in found if verified.is_recorded]
    files = count(sum(verified.files for verified in there), "file")
    weight = size(sum(verified.size for verified in there))
    stream.write(f"{count(len(there), 'target')}, {files}, {weight}: all as recorded\n")
    if absent := [verified.action for verified in found if not verified.is_recorded]:
        stream.write(f"not built: {', '.join(absent)}\n")


def show_rebuilt(found: Sequence[Rebuilt], stream: TextIO) -> None:
    """Write a line for each target that came out again."""
    for rebuilt in found:
        how = "the same bytes" if rebuilt.by == "bytes" else f"the same numbers ({inert(rebuilt.because)})"
        stream.write(f"{rebuilt.action}: built again in {duration(rebuilt.seconds)}, {how}\n")
