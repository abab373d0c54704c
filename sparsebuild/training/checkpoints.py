"""Where training can continue: one folder per checkpoint, complete or not there at all.

    checkpoint-00000320/   the newest ones: the model with its observers, Adam's moments, the masks, and facts
    best-00000214/         the model of the best epoch so far, as long as a checkpoint that is kept names it

No random state: seeds and batches are functions of the step.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from sparsebuild.atomic import sync
from sparsebuild.digest import file_digest

__all__ = ["Checkpoint", "best", "newest", "save", "save_best"]

_TENSORS = "state.safetensors"
_FACTS = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What was saved before the update number `step`: tensors by section, and plain facts."""

    step: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    modifiers: Mapping[str, Tensor] = field(default_factory=dict)  # "<index>.<name>"; of a best one: masks by parameter
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON; "best_step" names the best epoch's, or is null


def save(folder: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Write `checkpoint` and remove all but the newest `keep`; a kill at any moment leaves the earlier ones whole.

    Those of later steps, which were passed over as damaged, go as well.
    """
    new = folder / f"checkpoint-{checkpoint.step:08d}"
    _write(folder, new, checkpoint)
    for later in [path for path in _saved(folder) if path > new]:
        shutil.rmtree(later)
    saved = _saved(folder)
    for old in saved[keep:]:
        shutil.rmtree(old)
    named = {_best_step(path) for path in saved[:keep]}
    for path in folder.glob("best-*"):
        if int(path.name.removeprefix("best-")) not in named:
            shutil.rmtree(path)


def save_best(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the model of the best epoch; to be done before the checkpoint that names it, whose `save` tidies up."""
    _write(folder, folder / f"best-{checkpoint.step:08d}", checkpoint)


def newest(folder: Path, passed_over: Callable[[int], None] = lambda step: None) -> Checkpoint | None:
    """The newest checkpoint that is whole, with the best model that it names; a damaged one is passed over."""
    for path in _saved(folder):
        checkpoint = _read(path)
        if checkpoint and _has_best(folder, checkpoint.facts.get("best_step")):
            return checkpoint
        passed_over(int(path.name.removeprefix("checkpoint-")))
    return None


def best(folder: Path, step: int) -> Checkpoint | None:
    """The model that `save_best` kept after `step`; None if it is damaged."""
    return _read(folder / f"best-{step:08d}")


def _write(folder: Path, final: Path, checkpoint: Checkpoint) -> None:
    from safetensors.torch import save_file

    work = folder / f".{final.name}"
    for stale in (work, final):  # a damaged one may stand under this name
        shutil.rmtree(stale, ignore_errors=True)
    work.mkdir(parents=True)
    sections = {"model": checkpoint.model, "optimizer": checkpoint.optimizer, "modifiers": checkpoint.modifiers}
    tensors = {f"{s}/{k}": v.detach().contiguous() for s, values in sections.items() for k, v in values.items()}
    save_file(tensors, work / _TENSORS)
    facts = {"step": checkpoint.step, "sha256": file_digest(work / _TENSORS), "facts": checkpoint.facts}
    (work / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    for path in (work / _TENSORS, work / _FACTS):
        sync(path)
    work.rename(final)
    sync(folder)


def _saved(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"), reverse=True)


def _best_step(folder: Path) -> int | None:
    try:
        step: int | None = json.loads((folder / _FACTS).read_text())["facts"].get("best_step")
    except (OSError, ValueError, KeyError):
        return None
    return step


def _has_best(folder: Path, step: int | None) -> bool:
    return step is None or best(folder, step) is not None


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
