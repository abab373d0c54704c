"""The cache and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sparsebuild.ui.figures import count, size
from sparsebuild.ui.inert import one_line

if TYPE_CHECKING:
    from sparsebuild.engine.garbage import Amount

__all__ = ["show", "show_emptied"]


def show(root: Path, parts: Mapping[str, Amount], stream: TextIO) -> None:
    """Write a line for each part of the cache, and the sum."""
    for name, amount in parts.items():
        stream.write(f"{one_line(name):<12}{size(amount.size):>12}  {count(amount.files, 'file')}\n")
    stream.write(f"{'all':<12}{size(sum(amount.size for amount in parts.values())):>12}  in {root}\n")


def show_emptied(amount: Amount, is_removed: bool, stream: TextIO) -> None:
    """Write what went, or would go."""
    what = f"{size(amount.size)} in {count(amount.files, 'file')}"
    stream.write(
        f"removed {what}\n" if is_removed else f"{what} would go; `sparsebuild cache clean --yes` removes it\n"
    )
