"""Where training can continue: one folder per checkpoint, complete or not there at all.

A checkpoint is the model with its observers, Adam's moments, the masks, and where the schedule was. No random state:
seeds and batches are functions of the step.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sparsebuild.digest import file_digest

__all__ = ["Checkpoint", "newest", "save"]

_TENSORS = "state.safetensors"
_FACTS = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What was saved before the update number `step`: tensors by section, and plain facts."""

    step: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    modifiers: Mapping[str, Tensor]  # "<index>.<name>"
    facts: Mapping[str, Any]  # JSON: history of the epochs so far, thread count


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write `checkpoint` and remove all but the newest `keep`; a kill at any moment leaves the earlier ones whole."""
    from safetensors.torch import save_file

    final = folder / f"checkpoint-{checkpoint.step:08d}"
    work = folder / f".{final.name}"
    for stale in (work, final):  # a damaged one may stand under this name
        shutil.rmtree(stale, ignore_errors=True)
    work.mkdir(parents=True)
    sections = {"model": checkpoint.model, "optimizer": checkpoint.optimizer, "modifiers": checkpoint.modifiers}
    tensors = {f"{s}/{k}": v.detach().contiguous() for s, values in sections.items() for k, v in values.items()}
    save_file(tensors, work / _TENSORS)
    facts = {"step": checkpoint.step, "sha256": file_digest(work / _TENSORS), "facts": checkpoint.facts}
    (work / _FACTS).write_text(json.dumps(facts))
    for path in (work / _TENSORS, work / _FACTS):
        _flush(path)
    work.rename(final)
    _flush(folder)
    for old in _saved(folder)[keep:]:
        shutil.rmtree(old)


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; a damaged one is passed over for the one before."""
    return next((c for c in map(_read, _saved(folder)) if c), None)


def _saved(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"), reverse=True)


def _read(folder: Path) -> Checkpoint | None:
    from safetensors.torch import load_file

    try:
        facts = json.loads((folder / _FACTS).read_text())
        if file_digest(folder / _TENSORS) != facts["sha256"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    sections: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "modifiers": {}}
    for key, tensor in load_file(folder / _TENSORS).items():
        section, _, name = key.partition("/")
        sections[section][name] = tensor
    return Checkpoint(step=facts["step"], facts=facts["facts"], **sections)


def _flush(path: Path) -> None:
    """Ask the disk to keep `path` through a power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
