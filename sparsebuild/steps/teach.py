"""Ask the teacher once: its logits over every piece of the training text, kept for all epochs.

The teacher never changes and answers without dropout, so asking it again at every step only costs time. Inputs:
`teacher`, `labels`, `train` and maybe `unlabelled`. Outputs, for each split: `logits.npy` (pieces, labels)
float32 and, where the recipe wants them, `hidden.npy` (pieces, layers, width) float16.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.engine.job import Job, Report
from sparsebuild.steps.computing import begin

if TYPE_CHECKING:
    from sparsebuild.tasks.prepared import PreparedSplit

__all__ = ["run"]

_BATCH = 64  # sentences


def run(job: Job, report: Report) -> None:
    """Write the teacher's answers for every split that is there."""
    from sparsebuild.tasks.labels import map_labels
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.models import labels_of, open_model

    begin(job, report)
    teacher = open_model(job.inputs["teacher"])
    order = map_labels(json.loads(job.inputs["labels"].read_text()), labels_of(teacher))
    splits = {n: PreparedSplit.open(job.inputs[n]) for n in ("train", "unlabelled") if n in job.inputs}
    total, done = sum(len(s) for s in splits.values()), 0
    for name, split in splits.items():
        for count in _ask(teacher, split, order, job.out / name, hidden=bool(job.params.get("hidden_states"))):
            done += count
            report.progress(done, total, "sentences")


def _ask(teacher: Any, split: PreparedSplit, order: Sequence[int], folder: Path, hidden: bool) -> Any:
    """Answer batch by batch into memory-mapped files; yields how many sentences were answered."""
    import numpy as np
    import torch

    from sparsebuild.training.batches import by_length, collate
    from sparsebuild.training.inputs import given

    folder.mkdir(parents=True)
    config, pieces = teacher.config, int(split.offsets[-1])
    logits = _array(folder / "logits.npy", "float32", (pieces, len(order)))
    shape = (pieces, config.num_hidden_layers, config.hidden_size)
    states = _array(folder / "hidden.npy", "float16", shape) if hidden else None
    for chosen in by_length(split, _BATCH):
        batch = collate([(split, i) for i in chosen])
        with torch.no_grad():
            out = teacher(**given(teacher, batch), output_hidden_states=hidden)
        for row, i in enumerate(chosen):
            span = slice(int(split.offsets[i]), int(split.offsets[i + 1]))
            length = span.stop - span.start
            logits[span] = out.logits[row, :length].numpy()[:, order]
            if states is not None:
                layers = torch.stack([h[row, :length] for h in out.hidden_states[1:]], 1)  # (pieces, layers, width)
                states[span] = layers.numpy().astype(np.float16)
        yield len(chosen)
    for array in (logits, states):
        if array is not None:
            array.flush()


def _array(path: Path, dtype: str, shape: tuple[int, ...]) -> Any:
    from numpy.lib.format import open_memmap

    array = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with path.open("r+b") as file:  # a page that finds no room later is a signal, and tells nothing
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
