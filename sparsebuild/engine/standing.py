"""How one action stands: what it would read, what was done, what is on the disk, and so why it has to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparsebuild.engine import outputs
from sparsebuild.engine import record as records
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.record import Record
from sparsebuild.engine.staleness import Inputs, Present, Reason, reasons
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.work import failure, records_folder, work_folder
from sparsebuild.layout import ProjectLayout

__all__ = ["Standing", "stand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What `stand` found."""

    inputs: Inputs
    record: Record | None
    reasons: tuple[Reason, ...]


def stand(
    action: Action,
    done: Mapping[str, tuple[File, ...] | None],  # outputs by action; None for one that has to run first
    layout: ProjectLayout,
    stat_cache: StatCache,
    *,
    forced: bool = False,
) -> Standing:
    """Look at `action`, writing nothing."""
    inputs = {i.name: _read(done[i.action], i.path) for i in action.inputs}
    record = records.read(records_folder(layout), action.name)
    if record:
        present = Present(files=outputs.present(layout.root / action.folder, record.outputs, stat_cache))
    else:
        unfinished = work_folder(layout, action.name).exists()
        present = Present(unfinished=unfinished, failed=failure(layout, action.name))
    return Standing(inputs=inputs, record=record, reasons=reasons(action, inputs, record, present, forced=forced))


def _read(files: tuple[File, ...] | None, path: str) -> tuple[File, ...] | None:
    return None if files is None else outputs.read(files, path)
