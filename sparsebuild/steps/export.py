"""Write the trained model as ONNX and prove that the file is that model.

Inputs: `model`, `labels`, `tokenizer`, `validation` and maybe `test`. Outputs: `deployment/` with the file and what a
runtime needs beside it, and `export.json` with what was measured. It is a candidate until `gate` promotes it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparsebuild.digest import file_digest
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import TargetFailed
from sparsebuild.exporters import EXPORTERS
from sparsebuild.registry import lookup
from sparsebuild.steps.computing import begin

__all__ = ["run"]

_BESIDE = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def run(job: Job, report: Report) -> None:
    """Export, compare on the whole validation set, count the zeros, and score the file itself."""
    settings, threads = begin(job, report)
    scheme = job.params.get("scheme", "portable")
    is_integer = scheme != "fp32"
    model = _open(job.inputs["model"], quantized=is_integer)
    folder = job.out / "deployment"
    folder.mkdir(parents=True)
    path = folder / "model.onnx"
    report.log(f"writing {path.name}, scheme {scheme}")
    lookup(EXPORTERS, scheme, "export scheme")(model, path, int(job.params.get("opset", 20)))
    for name in _BESIDE:
        if (job.inputs["model"] / name).exists():
            shutil.copy(job.inputs["model"] / name, folder / name)
    facts = _compare(job, model, path, settings.per_device_eval_batch_size, threads, is_integer)
    facts |= _zeros(model, path) if is_integer else {}
    facts |= _identity(path, scheme, int(job.params.get("opset", 20)))
    for name in ("agreement", "f1_difference", "median_logit_difference"):
        report.metric(name, facts[name])
    (job.out / "export.json").write_text(json.dumps({"schema_version": 1, **facts}, indent=1) + "\n")


def _open(folder: Path, quantized: bool) -> Any:
    from sparsebuild.training.models import open_float_model, open_model

    return open_model(folder) if quantized else open_float_model(folder)


def _compare(job: Job, model: Any, path: Path, batch_size: int, threads: int, is_integer: bool) -> dict[str, Any]:
    """The file against the model on validation, and the file's own scores; raises TargetFailed past a bound."""
    from sparsebuild.exporters.agreement import check, compare
    from sparsebuild.exporters.runtime import open_session, session_logits
    from sparsebuild.steps.evaluate import SPLITS, scores_to_json
    from sparsebuild.tasks.prepared import PreparedSplit
    from sparsebuild.training.evaluation import first_piece_logits, scores_of, torch_logits

    labels = json.loads(job.inputs["labels"].read_text())
    splits = {name: PreparedSplit.open(job.inputs[name]) for name in SPLITS if name in job.inputs}
    session = session_logits(open_session(path, threads))
    file = {name: first_piece_logits(session, split, batch_size) for name, split in splits.items()}
    scores = {name: scores_of(file[name], split, labels) for name, split in splits.items()}
    validation = splits["validation"]
    trained = first_piece_logits(torch_logits(model), validation, batch_size)
    difference = scores["validation"].overall.f1 - scores_of(trained, validation, labels).overall.f1
    found = compare(trained, file["validation"], f1_difference=difference)
    check(found, is_integer=is_integer)
    return {**asdict(found), **{name: scores_to_json(s) for name, s in scores.items()}}


def _zeros(model: Any, path: Path) -> dict[str, Any]:
    """Count zeros in the int8 weights; every weight that training holds at zero must be one of them."""
    from sparsebuild.exporters.int8 import int8_zeros
    from sparsebuild.training.structure import is_head

    weights = dict(model.named_parameters())
    found = int8_zeros(path)
    held = kept = zeros = size = 0
    for name, is_zero in found.items():
        if is_head(name):
            continue
        masked = (weights[name] == 0).numpy()
        held += int(masked.sum())
        kept += int((masked & is_zero).sum())
        zeros += int(is_zero.sum())
        size += is_zero.size
    if kept != held:
        raise TargetFailed(f"{held - kept} of the {held} zeros of the model are not zero in the exported file")
    return {"zeros_of_model": held, "zeros_in_file": zeros, "weights": size, "sparsity": zeros / size if size else 0.0}


def _identity(path: Path, scheme: str, opset: int) -> dict[str, Any]:
    from sparsebuild.steps.evaluate import compressed_size

    return {
        "scheme": scheme,
        "opset": opset,
        "bytes": path.stat().st_size,
        "bytes_zstd": compressed_size(path),
        "sha256": file_digest(path),
    }
