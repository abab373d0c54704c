"""Score the student and its teacher on text that neither has seen: `metrics.json`.

What each says of the validation set is left too, a line a sentence, in `answers.jsonl`: the tags that are true, the
teacher's, the student's.

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
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.tasks.token_classification import gold_tags

    settings, _ = begin(job, report)
    labels = json.loads(job.inputs["labels"].read_text())
    folders = {
        name: job.inputs[key] for name, key in (("teacher", "teacher"), ("student", "model")) if key in job.inputs
    }
    models, answers = {}, {"gold": gold_tags(PreparedSplit.open(job.inputs["validation"]), labels)}
    for k, (name, folder) in enumerate(folders.items()):
        report.progress(k, len(folders), "models")
        models[name], answers[name] = _figures(folder, job, labels, settings)
        for split in SPLITS:
            if split in models[name]:
                report.metric(f"{name}.{split}.f1", models[name][split]["f1"])
    (job.out / "metrics.json").write_text(json.dumps({"schema_version": 1, "models": models}, indent=1) + "\n")
    with (job.out / "answers.jsonl").open("w", encoding="utf-8") as stream:
        for rows in zip(*answers.values(), strict=True):
            stream.write(json.dumps(dict(zip(answers, rows, strict=True)), ensure_ascii=False) + "\n")


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


def _figures(folder: Path, job: Job, labels: Sequence[str], settings: Settings) -> Any:
    """The figures of a model, and its tags of the validation set."""
    from sparsebuild.tasks.labels import map_labels
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.evaluation import first_piece_logits, scores_of, tags_of, torch_logits
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
    tags: list[list[str]] = []
    for name in SPLITS:
        if name in job.inputs:
            split = PreparedSplit.open(job.inputs[name])
            logits = first_piece_logits(lambda b: answers(b)[..., order], split, settings.per_device_eval_batch_size)
            figures[name] = scores_to_json(scores_of(logits, split, labels))
            tags = tags or tags_of(logits, split, labels)
    return figures, tags
