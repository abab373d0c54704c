"""A folder for the Hub, made of a few bytes by the code that makes the real one."""

import pytest

from sparsebuild.shipping import folder, provenance
from sparsebuild.shipping.card import Measured
from sparsebuild.shipping.facts import Facts, Origin

SCORES = {"precision": 0.5, "recall": 0.75, "f1": 0.6, "support": 8, "accuracy": 0.9}
LOCK = "lock-version = 1\n"


def scored(name="person"):
    return {**SCORES, "by_type": {name: {**SCORES}}}


def facts_of(**changes):
    hf = Origin(name="model", request="hf:org/bert@main", commit="c" * 40, licence="apache-2.0", files={"a": "1" * 64})
    rows = [
        Origin(name=f"data.{split}", request=f"hf:org/people?split={split}", commit="d" * 40, files={"x": "2" * 64})
        for split in ("train", "validation")
    ]
    given = {
        "project": "people",
        "task": "token-classification",
        "version": "0.1.0",
        "lock": "e" * 64,
        "base": "model",
        "settings": {"project": {"name": "people"}},
        "recipe": None,
        "libraries": {"train": {"torch": "2.13"}},
        "sources": (hf, *rows),
    }
    return Facts(**{**given, **changes})


def measured_of(scheme="portable", **changes):
    model = {"sparsity": 0.8, "bytes": 90_000_000, "bytes_zstd": 55_000_000, "validation": scored()}
    export = {
        **model,
        "scheme": scheme,
        "bytes": 22_900_000,
        "bytes_zstd": 10_600_000,
        "agreement": 0.9995,
        "compared": {"sentences": 270, "words": 3958},
        "labels": ["O", "B-person", "I-person"],
        "inputs": [{"name": name} for name in ("input_ids", "attention_mask", "token_type_ids")],
        **changes,
    }
    gates = [{"name": "f1", "value": 0.6, "limit": ">= 0.4", "holds": True}]
    return Measured(evaluation={"student": model}, export=export, gates=gates, onnx=folder.onnx_name(scheme))


@pytest.fixture
def facts():
    return facts_of


@pytest.fixture
def measured():
    return measured_of


@pytest.fixture
def hub_folder(tmp_path):
    """`hub/` of a model of a few bytes."""
    model, export = tmp_path / "model", tmp_path / "candidate"
    (export / "deployment").mkdir(parents=True)
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights" * 2000)
    (model / "config.json").write_text("{}")
    (export / "deployment" / "model.onnx").write_bytes(b"onnx" * 3000)
    (export / "export.json").write_text("{}")
    made = tmp_path / "hub"
    folder.assemble(made, facts_of(), measured_of(), model, export, LOCK)
    return made


@pytest.fixture
def again():
    """States anew what a folder holds, as a build that made it so would have."""

    def write(made, **changes):
        (made / provenance.FILE_NAME).unlink(missing_ok=True)
        provenance.write(made, facts_of(**changes))

    return write
