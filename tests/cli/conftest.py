"""The real command in a process of its own, and a project that is small enough for it."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass

import pytest

MANIFEST = """\
# A project of a random model and random sentences.
[project]
name = "tiny"

[model]
source = "model"

[data]
train = "data/train.jsonl"
validation = "data/validation.jsonl"
max_length = 32

[recipe]
source = "recipe.yaml"

[train]
per_device_train_batch_size = 8
learning_rate = 1e-3
threads = 1

[gate]
sparsity = ">= 0.49"
"""
RECIPE = """\
training_modifiers:
  - !EpochRangeModifier
      start_epoch: 0.0
      end_epoch: 2.0
pruning_modifiers:
  - !GlobalMagnitudePruningModifier
      start_epoch: 0.0
      end_epoch: 1.0
      update_frequency: 0.25
      init_sparsity: 0.0
      final_sparsity: 0.5
      params: __ALL_PRUNABLE__
quantization_modifiers:
  - !QuantizationModifier
      start_epoch: 1.0
      submodules:
        - bert.encoder
        - classifier
"""
NAMES, VERBS = ["ada", "charles", "grace", "alan"], ["wrote", "went", "spoke", "sang"]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def command(*words, cwd=None, **environment):
    """Run `sparsebuild WORDS`."""
    done = subprocess.run(
        [sys.executable, "-m", "sparsebuild", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, **environment},
        timeout=240,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(name="sparsebuild", scope="session")
def sparsebuild_():
    return command


@pytest.fixture(name="write_project", scope="session")
def write_project_():
    return write_project


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    """A project that can be locked and looked at; its model has no weights, and its cache is empty."""
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    write_project(tmp_path)
    (tmp_path / "model" / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")  # a header of no tensors
    return tmp_path


def write_project(folder):
    draw = random.Random(0)
    (folder / "model").mkdir()
    (folder / "data").mkdir()
    (folder / "sparse.toml").write_text(MANIFEST)
    (folder / "recipe.yaml").write_text(RECIPE)
    for name, rows in (("train", 32), ("validation", 8)):
        lines = [
            json.dumps({"tokens": [draw.choice(NAMES), draw.choice(VERBS)], "ner_tags": ["B-person", "O"]})
            for _ in range(rows)
        ]
        (folder / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *NAMES, *VERBS]
    (folder / "model" / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "model" / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    (folder / "model" / "config.json").write_text(
        json.dumps(
            {
                "model_type": "bert",
                "architectures": ["BertModel"],
                "vocab_size": len(words),
                "hidden_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 32,
                "max_position_embeddings": 32,
            }
        )
    )
