"""The command, in this process or in one of its own, and a project that is small enough for it.

`sparsebuild` runs it here, which takes a tenth of the time. `process` starts the real one: for what is said of streams,
encodings, sockets, the start of Python, or a machine that has another environment from the beginning.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import stand_ins

from sparsebuild.cli.main import run_command

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
NO_TENSORS = b"\x02" + bytes(7) + b"{}"  # the header of a file of them
NAMES, VERBS = ["ada", "charles", "grace", "alan"], ["wrote", "went", "spoke", "sang"]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def here(*words, cwd=".", **environment):
    """Run `sparsebuild WORDS` in this process, which is as it was when it ends."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=how) for how in ("strict", "backslashreplace"))
    with (
        process_as_it_was(),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        os.environ.update({name: str(value) for name, value in environment.items()})
        sys.stdin = io.TextIOWrapper(io.BytesIO())
        code = run_command([*map(str, words)])
    for stream in (out, err):
        stream.seek(0)
    return Ran(code, out.read(), err.read())


@contextlib.contextmanager
def process_as_it_was():
    """What a command sets for the rest of its process is set back."""
    environment, stdin = dict(os.environ), sys.stdin
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        sys.stdin = stdin
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(environment)


def apart(*words, cwd=None, **environment):
    """Run `sparsebuild WORDS` in a process of its own."""
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


def made_up(project, *words):
    """Run `sparsebuild run WORDS` in this process, with steps that take no time."""
    with pytest.MonkeyPatch.context() as patch:
        stand_ins.stand_in(patch.setitem)
        return here("-C", project, "run", "--quiet", *words)


@pytest.fixture(name="sparsebuild", scope="session")
def sparsebuild_():
    return here


@pytest.fixture(scope="session")
def process():
    return apart


@pytest.fixture(scope="session")
def run_made_up():
    return made_up


@pytest.fixture(scope="session")
def no_tensors():
    return NO_TENSORS


@pytest.fixture(scope="session")
def edit():
    """Puts one text in the place of another that is in a file."""

    def call(path, old, new):
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return call


@pytest.fixture(name="write_project", scope="session")
def write_project_():
    return write_project


@pytest.fixture(scope="session")
def put_weights():
    """Puts random weights into the folder of a model; for one config they are made once."""
    made = {}

    def put(folder):
        config = (folder / "config.json").read_bytes()
        if config not in made:
            write_weights(folder)
            made[config] = {name: (folder / name).read_bytes() for name in ("config.json", "model.safetensors")}
        for name, data in made[config].items():
            (folder / name).write_bytes(data)

    return put


def write_weights(folder):
    import torch
    from transformers import BertConfig, BertModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False).save_pretrained(folder)


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    """A project that can be locked and looked at; its model has no weights, and its cache is empty."""
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    write_project(tmp_path, NO_TENSORS)
    return tmp_path


@pytest.fixture
def built(first, tmp_path):
    """A copy of the project that a file's tests share as `first`."""
    return shutil.copytree(first, tmp_path / "project")


def write_project(folder, weights=None):
    """A project whose model has the file `weights`, if any, and no other."""
    draw = random.Random(0)
    (folder / "model").mkdir()
    (folder / "data").mkdir()
    if weights is not None:
        (folder / "model" / "model.safetensors").write_bytes(weights)
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
