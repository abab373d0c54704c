"""Write the trained model as ONNX and prove that the file is that model.

Inputs: `model`, `labels`, `validation` and maybe `test`. Outputs: `deployment/` with the file and what a runtime needs
beside it, and `export.json` with what the file holds and what was measured. It is a candidate until `gate` promotes it.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.digest import file_digest
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import TargetFailed
from sparsebuild.exporters import EXPORTERS, FLOATS
from sparsebuild.exporters.base import FILE_NAME
from sparsebuild.manifest import Export, defaults
from sparsebuild.registry import lookup
from sparsebuild.steps.computing import begin

if TYPE_CHECKING:
    from sparsebuild.exporters.contents import Contents

__all__ = ["run"]

_BESIDE = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def run(job: Job, report: Report) -> None:
    """Export, compare on the whole validation set, count the zeros, and score the file itself."""
    from sparsebuild.exporters import contents

    settings, threads = begin(job, report)
    asked = {**defaults(Export), **job.params}
    scheme = asked["scheme"]
    model = _open(job.inputs["model"], scheme, report)
    path = _write(job, model, asked, report)
    found = contents.read(path)
    facts = _compare(job, model, path, settings.per_device_eval_batch_size, threads, scheme)
    facts |= _zeros(model, _masked(job.inputs["model"]), found)
    facts |= _identity(job, model, path, scheme)
    for name in ("agreement", "f1_difference", "median_logit_difference"):
        report.metric(name, facts[name])
    document = {"schema_version": 1, **facts, **found.to_json()}
    (job.out / "export.json").write_text(json.dumps(document, indent=1) + "\n")


def _open(folder: Path, scheme: str, report: Report) -> Any:
    """The model as the scheme has it: with what quantization in training rounds, or without."""
    from sparsebuild.training.models import open_float_model, open_model
    from sparsebuild.training.structure import Structure

    if scheme not in FLOATS:
        return open_model(folder)
    structure = Structure.read(folder)
    if structure and structure.is_quantized:
        report.log(f"the model was trained for int8; scheme `{scheme}` leaves its rounding out", level="warning")
    return open_float_model(folder)


def _write(job: Job, model: Any, asked: Mapping[str, Any], report: Report) -> Path:
    from sparsebuild.exporters.cpu import caution

    folder = job.out / "deployment"
    folder.mkdir(parents=True)
    path = folder / FILE_NAME
    scheme, exporter, opset = asked["scheme"], asked["exporter"], asked["opset"]
    report.log(f"writing {path.name}, scheme {scheme}" + (f", by {exporter}" if exporter != "torchscript" else ""))
    if told := caution(scheme):
        report.log(told, level="warning")
    lookup(EXPORTERS, scheme, "export scheme")(model, path, opset, exporter)
    for name in _BESIDE:
        if (job.inputs["model"] / name).exists():
            shutil.copy(job.inputs["model"] / name, folder / name)
    return path


def _compare(job: Job, model: Any, path: Path, batch_size: int, threads: int, scheme: str) -> dict[str, Any]:
    """The file against the model on validation, and the file's own scores; raises TargetFailed past a bound."""
    from sparsebuild.exporters.agreement import Agreement, check, compare
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

    def compared(reference: Sequence[Any], logits: Sequence[Any]) -> Agreement:
        f1s = [scores_of(one, validation, labels).overall.f1 for one in (reference, logits)]
        return compare(reference, logits, f1_difference=f1s[1] - f1s[0])

    def exact() -> tuple[Agreement, Agreement]:
        doubled = first_piece_logits(torch_logits(copy.deepcopy(model).double()), validation, batch_size)
        return compared(doubled, file["validation"]), compared(doubled, trained)

    words, entities = sum(map(len, trained)), scores["validation"].overall.support
    found, itself = check(compared(trained, file["validation"]), scheme, words=words, entities=entities, exact=exact)
    facts = {**asdict(found), "compared": {"sentences": len(trained), "words": words}}
    if itself:  # the file was held to the model in float64
        facts["float32"] = asdict(itself)
    return {**facts, **{name: scores_to_json(s) for name, s in scores.items()}}


def _zeros(model: Any, masked: Collection[str], file: Contents) -> dict[str, Any]:
    """Count zeros in the weights of layers; each of the model's has to be one in the file, in all that is `masked` too.

    Of biases and norms that are masked, those are looked at that the file has by their names: the comparison of logits
    answers for the others. Raises TargetFailed for zeros that are lost, for weights that the file does not have as they
    are in the model, and for others that it has.
    """
    from sparsebuild.training.structure import is_embeddings, is_head

    weights: Mapping[str, Any] = dict(model.named_parameters())
    tensors = {tensor.name: tensor for tensor in file.tensors}
    matrices = {*tensors, *(name for name, weight in weights.items() if weight.ndim == 2)}
    in_layers = sorted(name for name in matrices if not (is_head(name) or ".embeddings." in name))
    if strangers := [name for name in in_layers if name not in weights]:
        raise TargetFailed(f"the exported file holds `{strangers[0]}`, which is no parameter of the model")
    found = {**file.vectors, **{tensor.name: tensor.is_zero for tensor in file.tensors}}
    looked_at = {*in_layers, *(name for name in masked if weights[name].ndim == 2 or name in found)}
    held = {name: (weights[name] == 0).numpy() for name in sorted(looked_at)}
    kept = 0
    for name, is_zero in held.items():
        if name not in found or found[name].shape != is_zero.shape:
            raise TargetFailed(f"the exported file does not hold `{name}` as the model does, nor its zeros")
        kept += int((is_zero & found[name]).sum())
    if kept != (all_held := sum(int(is_zero.sum()) for is_zero in held.values())):
        raise TargetFailed(f"{all_held - kept} of the {all_held} zeros of the model are not zero in the exported file")
    counted = [name for name in in_layers if not is_embeddings(name)]
    zeros, size = sum(tensors[name].zeros for name in counted), sum(held[name].size for name in counted)
    of_model = sum(int(held[name].sum()) for name in counted)
    sparsity = zeros / size if size else 0.0
    return {"zeros_of_model": of_model, "zeros_in_file": zeros, "weights": size, "sparsity": sparsity}


def _identity(job: Job, model: Any, path: Path, scheme: str) -> dict[str, Any]:
    from sparsebuild.steps.evaluate import compressed_size
    from sparsebuild.training.models import labels_of

    return {
        "scheme": scheme,
        "exporter": job.params.get("exporter", "torchscript"),
        "labels": labels_of(model),
        "quantized": {} if scheme in FLOATS else _quantized(job.inputs["model"], scheme),
        **_cut(job.inputs["model"], model),
        "bytes": path.stat().st_size,
        "bytes_zstd": compressed_size(path),
        "sha256": file_digest(path),
    }


def _masked(folder: Path) -> Collection[str]:
    """The weights that training held at zero, in part."""
    from sparsebuild.training.structure import Structure

    structure = Structure.read(folder)
    return structure.masked if structure else ()


def _cut(folder: Path, model: Any) -> dict[str, Any]:
    """What the network was cut out of and what is left, where something was; and whether its config says all of it."""
    from sparsebuild.training.shapes import fits_config, layer_names
    from sparsebuild.training.structure import Structure

    structure = Structure.read(folder)
    if structure is None or structure.dense is None:
        return {}
    layers = {name: structure.layers[name].to_json() for name in layer_names(model)}
    fits = fits_config(model.config, structure.layers)
    return {"cut": {"dense": asdict(structure.dense), "layers": layers, "fits_config": fits}}


def _quantized(folder: Path, scheme: str) -> dict[str, Any]:
    """Which modules the file has in integers, and how they are rounded: as usual, or otherwise."""
    from sparsebuild.numerics.quantization_scheme import scheme_to_json
    from sparsebuild.training.structure import Structure

    structure = Structure.read(folder)
    if structure is None:
        return {}
    return {
        "weights": f"int8 per channel, -{structure.weight_levels} to {structure.weight_levels}, zero point 0",
        "activations": "int8 per tensor, zero point 0" if scheme == "tensorrt" else "uint8 per tensor",
        "linears": list(structure.linears),
        "embeddings": [] if scheme == "tensorrt" else list(structure.embeddings),  # whose tables are float there
        "attentions": list(structure.attentions),
        "others": list(structure.others),
        "otherwise": {name: scheme_to_json(scheme) for name, scheme in structure.schemes.items()},
    }
