"""What the last build measured, read from the JSON files that its targets left."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from sparsebuild.layout import ProjectLayout
from sparsebuild.reading import read_json

__all__ = ["DEPLOYMENT", "Documents", "read", "show"]

Documents = Mapping[str, Mapping[str, Any]]

DEPLOYMENT = "build/export/deployment"  # what a runtime needs, in one folder

# Target: the documents that it leaves. `export` alone leaves a candidate; `gate` promotes it.
_FILES = {
    "eval": {"metrics": "build/eval/metrics.json"},
    "export": {"export": ".sparsebuild/candidate/export/export.json"},
    "gate": {"export": "build/export/export.json", "gate": "build/export/gate.json"},
    "bench": {"bench": "build/bench/bench.json"},
}
_PLACES = {
    "train": ("PyTorch model", "build/train/model"),
    "gate": ("ONNX model", f"{DEPLOYMENT}/model.onnx"),
    "report": ("report", "build/report/index.html"),
}


def read(layout: ProjectLayout, targets: Collection[str]) -> Documents:
    """The documents of `targets`, by name: metrics, export, gate, bench. What is not there is left out."""
    paths = {name: path for target in _FILES if target in targets for name, path in _FILES[target].items()}
    found = {name: _document(layout.root / path) for name, path in paths.items()}
    return {name: document for name, document in found.items() if document}


def show(layout: ProjectLayout, folder: Path, targets: Collection[str]) -> None:
    """Print what `targets` came to; `folder` is the project as the user named it."""
    from sparsebuild.ui import results

    results.show(read(layout, targets), sys.stdout)
    places = {what: str(folder / path) for target, (what, path) in _PLACES.items() if target in targets}
    there = {what: path for what, path in places.items() if Path(path).exists()}
    is_here = folder.resolve() == Path.cwd().resolve()
    command = f'sparsebuild {"" if is_here else f"-C {folder} "}try "Ada Lovelace wrote to Charles Babbage in London"'
    if there:
        results.show_places(there, [command] if "ONNX model" in there else [], sys.stdout)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        data = read_json(path)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and data.get("schema_version") == 1 else {}
