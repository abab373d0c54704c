"""What the cache holds, by project, and what none of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from sparsebuild.ui.figures import count, size
from sparsebuild.ui.table import Cell, write

if TYPE_CHECKING:
    from sparsebuild.engine.garbage import Amount, Need, Survey

__all__ = ["show"]


def show(found: Survey, removed: Amount | None, stream: TextIO) -> None:
    """Write a row for each project, then what is free to go, or went."""
    if found.needs:
        write([_row(need) for need in found.needs], stream, heads=("needs", "it alone", "project"), right={0, 1})
    if found.lately.files:
        stream.write(f"{_amount(found.lately)} is not needed now, but was used lately\n")
    stream.write(_verdict(found, removed) + "\n")


def _row(need: Need) -> tuple[str, str, Cell]:
    if not need.is_there:
        return "", "", Cell(f"{need.root} (not there any more)", "dim")
    return size(need.all.size), size(need.alone.size), Cell(str(need.root))


def _verdict(found: Survey, removed: Amount | None) -> str:
    if removed is not None:
        return f"removed {_amount(removed)}"
    if not found.unneeded.files:
        return "nothing to remove"
    return f"nobody needs {_amount(found.unneeded)}; `sparsebuild gc --yes` removes it"


def _amount(amount: Amount) -> str:
    return f"{size(amount.size)} in {count(amount.files, 'file')}"
