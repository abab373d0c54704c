"""What the last build measured, read from the JSON files that its targets left."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sparsebuild.layout import ProjectLayout, built
from sparsebuild.reading import read_json

__all__ = ["DEPLOYMENT", "Documents", "read", "read_variants", "show", "variants_of"]

Documents = Mapping[str, Mapping[str, Any]]

DEPLOYMENT = "export/deployment"  # below `build`: what a runtime needs, in one folder

# Step: the documents that it leaves, below the folder of its model. `export` alone leaves a candidate; `gate` promotes.
_FILES = {
    "eval": {"metrics": "eval/metrics.json"},
    "export": {"export": ""},
    "gate": {"export": "export/export.json", "gate": "export/gate.json"},
    "bench": {"bench": "bench/bench.json"},
    "compare": {"compare": "compare/bench.json"},
}
_PLACES = {
    "train": ("PyTorch model", "train/model"),
    "gate": ("ONNX model", f"{DEPLOYMENT}/model.onnx"),
    "report": ("report", "report/index.html"),
}


def read(layout: ProjectLayout, targets: Collection[str], variant: str = "") -> Documents:
    """The documents of those `targets` that are the variant's, by name: metrics, export, gate, bench, compare.

    What is not there is left out.
    """
    asked = {target: f"{target}@{variant}" if variant else target for target in _FILES}
    paths = {n: path for step, name in asked.items() if name in targets for n, path in _FILES[step].items()}
    candidate = f".sparsebuild/candidate/{asked['export']}/export.json"
    found = {n: _document(layout.root / (built(path, variant) if path else candidate)) for n, path in paths.items()}
    return {name: document for name, document in found.items() if document}


def read_variants(layout: ProjectLayout, steps: Collection[str], variants: Collection[str]) -> Mapping[str, Documents]:
    """The same of each of `variants`, as far as something is there."""
    found = {name: read(layout, [f"{step}@{name}" for step in steps], name) for name in variants}
    return {name: documents for name, documents in found.items() if documents}


def variants_of(targets: Collection[str]) -> tuple[str, ...]:
    """The models that targets are of: variants by name, "" for the project's own; what models share is of none."""
    steps = {*_FILES, *_PLACES}
    parted = (target.partition("@") for target in targets)
    return tuple(dict.fromkeys(variant for step, _, variant in parted if step in steps))


def show(layout: ProjectLayout, folder: Path, targets: Collection[str]) -> None:
    """Print what `targets` came to; `folder` is the project as the user named it."""
    from sparsebuild.ui import results

    models = variants_of(targets)
    first = models[0] if len(models) == 1 else ""
    results.show(read(layout, targets, first), sys.stdout)
    if len(models) > 1:
        results.show_variants({name: read(layout, targets, name) for name in models}, sys.stdout)
    places = {
        what: str(folder / built(path, first))
        for step, (what, path) in _PLACES.items()
        if (f"{step}@{first}" if first else step) in targets
    }
    there = {what: path for what, path in places.items() if Path(path).exists()}
    at = [] if Path().samefile(folder) else [f"-C {shlex.quote(str(folder))}"]
    words = ["sparsebuild", *at, "try", *([f"--variant {first}"] if first else [])]
    command = f'{" ".join(words)} "Ada Lovelace wrote to Charles Babbage in London"'
    if there:
        results.show_places(there, [command] if "ONNX model" in there else [], sys.stdout)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        data = read_json(path)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and data.get("schema_version") == 1 else {}
