"""Score the student and its teacher on text that neither has seen: `metrics.json`.

Inputs: `labels`, `model`, maybe `teacher`, `validation` and maybe `test`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.engine.job import Job, Report
from sparsebuild.steps.computing import begin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparsebuild.tasks.entities import Scores
    from sparsebuild.training.settings import Settings

__all__ = ["SPLITS", "compressed_size", "run", "scores_to_json"]

SPLITS = ("validation", "test")


def run(job: Job, report: Report) -> None:
    """Precision, recall and F1 overall and by type, sparsity and bytes of each model."""
    settings, _ = begin(job, report)
    labels = json.loads(job.inputs["labels"].read_text())
    folders = {
        name: job.inputs[key] for name, key in (("teacher", "teacher"), ("student", "model")) if key in job.inputs
    }
    models = {}
    for k, (name, folder) in enumerate(folders.items()):
        report.progress(k, len(folders), "models")
        models[name] = _figures(folder, job, labels, settings)
        for split in SPLITS:
            if split in models[name]:
                report.metric(f"{name}.{split}.f1", models[name][split]["f1"])
    (job.out / "metrics.json").write_text(json.dumps({"schema_version": 1, "models": models}, indent=1) + "\n")


def scores_to_json(scores: Scores) -> dict[str, Any]:
    """Entity scores as they stand in the JSON files."""
    return {
        **asdict(scores.overall),
        "accuracy": scores.accuracy,
        "by_type": {name: asdict(score) for name, score in scores.by_type.items()},
    }


def compressed_size(path: Path) -> int:
    """Bytes of a file under zstd at level 10, which is what a download or an image layer weighs."""
    import zstandard

    counted = 0
    with path.open("rb") as stream:
        for chunk in zstandard.ZstdCompressor(level=10).read_to_iter(stream):
            counted += len(chunk)
    return counted


def _figures(folder: Path, job: Job, labels: Sequence[str], settings: Settings) -> dict[str, Any]:
    from sparsebuild.tasks.labels import map_labels
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.evaluation import evaluate, torch_logits
    from sparsebuild.training.models import labels_of, open_model
    from sparsebuild.training.structure import prunable_sparsity

    model = open_model(folder)
    order = map_labels(labels, labels_of(model))
    answers = torch_logits(model)
    weights = folder / "model.safetensors"
    figures: dict[str, Any] = {
        "sparsity": prunable_sparsity(model),
        "bytes": weights.stat().st_size,
        "bytes_zstd": compressed_size(weights),
    }
    for split in SPLITS:
        if split in job.inputs:
            opened = PreparedSplit.open(job.inputs[split])
            size = settings.per_device_eval_batch_size
            figures[split] = scores_to_json(evaluate(lambda b: answers(b)[..., order], opened, labels, size))
    return figures
