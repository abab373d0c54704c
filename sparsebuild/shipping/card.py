"""The model card: `README.md` with the Hub's metadata, the figures, how to run the model in each runtime, its limits.

The same build gives the same bytes, and no string of a user or of a source can become markup or metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sparsebuild.shipping.escape import code, prose, to_yaml
from sparsebuild.shipping.facts import Facts, Origin, hub_name
from sparsebuild.shipping.snippets import snippets

__all__ = ["Measured", "card", "eval_results"]

INTEGER = ("portable", "ort-cpu", "tensorrt")
_EIGHT_BITS = ("ort-cpu", "tensorrt")  # of each weight
_SCHEMES = {
    "portable": "int8, with 7 bits of the weights in use: the same answers on every CPU",
    "ort-cpu": "int8, with all 8 bits of the weights: for CPUs with VNNI; on other x86 CPUs it answers otherwise",
    "tensorrt": "int8, symmetric on both sides of every product: for TensorRT; float tables of embeddings",
    "fp32": "float32, not quantized",
    "fp16": "float16, not quantized",
}
_SPLITS = ("validation", "test")
_MOST = {"validation": "max_eval_samples", "test": "max_predict_samples"}  # settings of [data]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The documents that the targets left."""

    evaluation: Mapping[str, Any]  # of metrics.json: "student", maybe "teacher"
    export: Mapping[str, Any]
    gates: Sequence[Mapping[str, Any]]
    onnx: str  # the file, relative to the card
    mark: str = "##"  # of the tokenizer's pieces, see `snippets.py`

    @property
    def is_integer(self) -> bool:
        return self.export["scheme"] in INTEGER

    @property
    def inputs(self) -> Sequence[str]:
        return [value["name"] for value in self.export["inputs"]]

    @property
    def sparsity(self) -> float:
        return float(self.evaluation["student"]["sparsity"])


def card(facts: Facts, measured: Measured) -> str:
    """The whole `README.md`."""
    parts = [
        f"---\n{to_yaml(_metadata(facts, measured))}---\n\n# {prose(facts.title)}",
        _opening(facts, measured),
        f"## Figures\n\n{_table(_figures(measured))}\n\n{_agreement(measured)}",
        f"Of the ONNX file, by type, on the validation rows:\n\n{_table(_types(measured))}",
        *([f"What had to hold, and did:\n\n{_table(_gates(measured))}"] if measured.gates else []),
        f"## How to run it\n\n{_snippets(measured)}",
        f"## Limits\n\n{_limits(facts, measured)}",
        f"## Where it comes from\n\n{_table(_sources(facts))}\n\n{_lock(facts)}",
    ]
    return "\n\n".join(parts) + "\n"


def _snippets(measured: Measured) -> str:
    fits = measured.export.get("cut", {}).get("fits_config", True)
    scheme = measured.export["scheme"]
    made = {key: measured.export[key] for key in ("opset", "exporter") if key in measured.export}
    return snippets(measured.onnx, scheme, measured.inputs, mark=measured.mark, fits_config=fits, **made)


def eval_results(facts: Facts, measured: Measured) -> str:
    """Scores for the Hub's benchmark pages, `.eval_results/*.yaml`; nothing where no split is whole a dataset's of the
    Hub.
    """
    found = []
    for split in _SPLITS:
        source = facts.source(f"data.{split}")
        if source and (name := hub_name(source)) and split in measured.export and not _part(facts, split):
            dataset = {"id": name, "task_id": facts.task, **({"revision": source.commit} if source.commit else {})}
            asked = _asked(source)
            config = f" of config {asked['config']}" if "config" in asked else ""
            notes = f"entity F1 of {measured.onnx} on the {asked.get('split', split)} split{config}"
            found.append({"dataset": dataset, "value": _percent(measured.export[split]["f1"]), "notes": notes})
    return to_yaml(found)


# ---- the Hub's metadata


def _metadata(facts: Facts, measured: Measured) -> dict[str, Any]:
    base = facts.base_model
    found: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": facts.task}
    if base and (name := hub_name(base)):
        found |= {"base_model": [name], "base_model_relation": "quantized" if measured.is_integer else "finetune"}
    if datasets := sorted({name for source in facts.data if (name := hub_name(source))}):
        found["datasets"] = datasets
    if base and base.licence:
        licences = [word.strip() for word in base.licence.split(",")]
        found["license"] = licences[0] if len(licences) == 1 else licences
    return {**found, "tags": _tags(measured), "model-index": [_model_index(facts, measured)]}


def _tags(measured: Measured) -> list[str]:
    tags = ["sparsebuild", "onnx", "transformers.js"]
    tags += ["int8"] if measured.is_integer else [measured.export["scheme"]]
    return [*tags, *(["sparse", "pruned"] if measured.sparsity > 0.01 else [])]


def _model_index(facts: Facts, measured: Measured) -> dict[str, Any]:
    results = [_result(facts, measured.export[split], split) for split in _SPLITS if split in measured.export]
    return {"name": facts.title, "results": results}


def _result(facts: Facts, scores: Mapping[str, Any], split: str) -> dict[str, Any]:
    metrics = [
        {"type": key, "name": told, "value": _rounded(scores[key])}
        for key, told in (("f1", "Entity F1"), ("precision", "Precision"), ("recall", "Recall"))
    ]
    metrics.append({"type": "accuracy", "name": "Word accuracy", "value": _rounded(scores["accuracy"])})
    return {"task": {"type": facts.task}, "dataset": _dataset(facts, split), "metrics": metrics}


def _dataset(facts: Facts, split: str) -> dict[str, Any]:
    """Which rows were measured, as the Hub names them."""
    own = facts.source(f"data.{split}")
    source = own or facts.source("data.train")
    name = hub_name(source) if source else ""
    asked = _asked(source) if source and name else {}
    usual = split if own else "train"
    found = {"name": name or _request(source), "type": name or "local", "split": asked.get("split", usual)}
    if "config" in asked:
        found["config"] = asked["config"]
    if name and source and source.commit:
        found["revision"] = source.commit
    part = _part(facts, split)
    return {**found, "args": {"rows": part}} if part else found


def _asked(source: Origin) -> dict[str, str]:
    """`split` and `config` of a source, where it says them."""
    return dict(parse_qsl((source.resolved or source.request).partition("?")[2].partition("#")[0]))


def _part(facts: Facts, split: str) -> str:
    """What the measured rows are a part of; nothing where they are a whole split."""
    data = facts.settings.get("data", {})
    said = []
    if most := data.get(_MOST[split]):
        said.append(f"at most the first {most:,}")
    if not facts.source(f"data.{split}") and (fraction := data.get("validation_fraction")):
        said.append(f"a share of {fraction:g} of the training rows, set aside")
    return ", of ".join(said)


# ---- what a person reads


def _opening(facts: Facts, measured: Measured) -> str:
    base = facts.base_model
    start = f"It started from {code(_request(base))}." if base else ""
    labels = sorted({label[2:] for label in measured.export["labels"] if label[:2] in ("B-", "I-")})
    types = f"It marks {', '.join(code(label) for label in labels)}." if labels else ""
    size = f"{measured.export['bytes'] / 1e6:.1f} MB, {measured.export['bytes_zstd'] / 1e6:.1f} MB compressed with zstd"
    zeros = f" {measured.sparsity:.0%} of its encoder's weights are zero." if measured.sparsity > 0.01 else ""
    return (
        f"A model for {prose(facts.task)}, built with sparsebuild. {types} {start}\n\n"
        f"`{measured.onnx}` has the scheme `{measured.export['scheme']}` "
        f"({_SCHEMES[measured.export['scheme']]}): {size}.{zeros} "
        "`model.safetensors` holds the weights in float32, with the same zeros."
    )


def _figures(measured: Measured) -> Iterator[Sequence[str]]:
    # Not what the card's PyTorch code opens, where it was trained for int8: that is the float model.
    trained = "trained, with int8 rounding" if measured.is_integer else "trained"
    models = {"teacher": measured.evaluation.get("teacher"), trained: measured.evaluation["student"]}
    known = {name: model for name, model in models.items() if model}
    yield ["", *known, "ONNX"]
    columns = [*known.values(), measured.export]
    for split in _SPLITS:
        if split in measured.export:
            yield [f"entity F1, {split}", *(f"{c[split]['f1']:.4f}" if split in c else "" for c in columns)]
    yield ["zeros in the encoder", *(f"{float(c['sparsity']):.1%}" for c in columns)]
    yield ["MB", *(f"{c['bytes'] / 1e6:.1f}" for c in columns)]
    yield ["MB, zstd", *(f"{c['bytes_zstd'] / 1e6:.1f}" for c in columns)]


def _agreement(measured: Measured) -> str:
    export = measured.export
    whose = "the trained model" if measured.is_integer else "the trained model in float32"
    return (
        f"The ONNX file and {whose} give {export['agreement']:.2%} of the {export['compared']['words']:,} words of the "
        f"{export['compared']['sentences']:,} validation sentences the same label (ONNX Runtime on the CPU that "
        f"exported it)."
    )


def _types(measured: Measured) -> Iterator[Sequence[str]]:
    yield ["", "precision", "recall", "F1", "entities"]
    for name, score in sorted(measured.export["validation"]["by_type"].items()):
        figures = [f"{score[key]:.4f}" for key in ("precision", "recall", "f1")]
        yield [code(name), *figures, f"{score['support']:,}"]


def _gates(measured: Measured) -> Iterator[Sequence[str]]:
    yield ["gate", "found", "must be"]
    for gate in measured.gates:
        yield [code(gate["name"]), f"{gate['value']:.6g}", code(gate["limit"])]


def _limits(facts: Facts, measured: Measured) -> str:
    said = [
        "It knows the kinds of names, the language and the kind of text of the rows it was trained on, and no others. "
        "The figures are for the rows that are named below; elsewhere expect less.",
        "It reads words that are already apart; figures were measured on them. Runtimes that are given plain text "
        "split it themselves, and may give a word another label where they split otherwise.",
        "What the model that it started from had learned of people and places, fair or not, it may still hold.",
    ]
    said += [
        f"The {split} figures are not of a whole split: {part}."
        for split in _SPLITS
        if split in measured.export and (part := _part(facts, split))
    ]
    if measured.is_integer:
        said.append(
            "Speed comes from int8. Zeros make the file small where it is compressed; only DeepSparse also runs faster "
            "for them."
        )
    if measured.export["scheme"] in _EIGHT_BITS:
        said.append("x86 CPUs without VNNI saturate its products: it is another model there.")
    return "\n".join(f"- {sentence}" for sentence in said)


def _sources(facts: Facts) -> Iterator[Sequence[str]]:
    yield ["source", "what was asked for", "pinned", "licence"]
    for source in facts.sources:
        pinned = source.commit or next(iter(source.files.values()), "")
        yield [code(source.name), code(_request(source)), code(pinned[:12]) if pinned else "", prose(source.licence)]


def _lock(facts: Facts) -> str:
    return (
        f"Every file of every source is pinned in [sparse.lock](sparse.lock), sha256 `{facts.lock}`. "
        f"[provenance.json](provenance.json) states what this was built from and with, and the sha256 of every file "
        "here; `sparsebuild attest check .` compares them. With this lock and a `sparse.toml` that says what stands "
        f"there under `settings`, `{facts.command}` builds it again."
    )


def _table(rows: Iterator[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _request(source: Origin | None) -> str:
    return (source.resolved or source.request).removeprefix("file:") if source else "local rows"


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _percent(value: float) -> float:
    return round(100 * float(value), 2)
