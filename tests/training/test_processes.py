"""training/processes.py and steps/together.py: two processes train as one with twice the batch."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sparsebuild.engine.job import Job
from sparsebuild.errors import TargetFailed
from sparsebuild.executors.worker import Worker
from sparsebuild.layout import ProjectLayout
from sparsebuild.recipe import read, resolve
from sparsebuild.steps.train import run as step
from sparsebuild.training.batches import Corpus
from sparsebuild.training.processes import Processes

RECIPE = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 1.5, final_sparsity: 0.5, update_steps: 2}
  - !QuantizationModifier {start_epoch: 2.0, disable_quantization_observer_epoch: 3.0, quantize_linear_activations: 0}
  - !DistillationModifier {hardness: 0.5, temperature: 2.0, hidden_states: 0.1}
"""


class Heard:
    """A report that remembers what matters here; `on_progress` is called with each."""

    def __init__(self, on_progress=lambda done: None):
        self.lines, self.on_progress = [], on_progress

    def progress(self, done, total, unit, **fields):
        self.on_progress(done)

    def metric(self, name, value):
        pass

    def log(self, message, level="info"):
        self.lines.append(message)

    def note(self, key, value):
        pass


@pytest.fixture(scope="module")
def project(model_folder, split, validation, tmp_path_factory):
    """The inputs of a training with a teacher's answers, where a worker finds them."""
    root = tmp_path_factory.mktemp("project")
    (root / ".sparsebuild").mkdir()
    (root / "tokenizer").mkdir()
    (root / "tokenizer" / "vocab.txt").write_text("[PAD]\n")
    return SimpleNamespace(root=root, model=model_folder, train=root / "train", validation=root / "validation")


@pytest.fixture(scope="module")
def inputs(project, split, validation, tmp_path_factory):
    import numpy as np

    folders = {}
    for name, prepared in (("train", split), ("validation", validation)):
        folders[name] = project.root / name
        folders[name].mkdir()
        for file, values in (
            ("input_ids", prepared.input_ids),
            ("labels", prepared.piece_labels),
            ("words", prepared.piece_words),
            ("offsets", prepared.offsets),
            ("tags", prepared.word_tags),
            ("tag_offsets", prepared.tag_offsets),
        ):
            np.save(folders[name] / f"{file}.npy", values)
    pieces, random = int(split.offsets[-1]), np.random.default_rng(0)
    answers = project.root / "teach" / "train"
    answers.mkdir(parents=True)
    np.save(answers / "logits.npy", random.standard_normal((pieces, 3), dtype=np.float32))
    np.save(answers / "hidden.npy", random.standard_normal((pieces, 2, 16)).astype(np.float16))
    return {
        "model": project.model,
        "labels": project.model / "labels.json",
        "tokenizer": project.root / "tokenizer",
        "teach": project.root / "teach",
        **folders,
    }


@pytest.fixture
def trained(project, inputs, tmp_path):
    """The curve of a training; where there are several processes, in a worker, as in a run."""

    def run(name, report=None, **params):
        report = report or Heard()
        out, scratch = tmp_path / name / "out", tmp_path / name / "scratch"
        for folder in (out, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        settings = {"seed": 7, "dropout": 0.0, "logging_steps": 1, "threads": 1, "gradient_accumulation_steps": 2}
        job = Job(
            name="train",
            step="train",
            params={"recipe": resolve(read(RECIPE, "r.yaml"), {}).to_json(), **settings, **params},
            inputs=inputs,
            out=out,
            scratch=scratch,
            log=project.root / f"{name}.log",
            root=project.root,
        )
        if "num_processes" in params:
            with contextlib.closing(Worker(ProjectLayout(project.root))) as worker:
                worker.run(job, "sparsebuild.steps.train:run", report)
        else:
            step(job, report)
        return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]

    return run


def test_two_processes_have_the_curve_of_one_with_twice_the_batch(trained, tmp_path):
    """Through pruning, quantization with its observers, distillation of logits and hidden states, accumulation."""
    one = trained("one", per_device_train_batch_size=6)
    two = trained("two", per_device_train_batch_size=3, num_processes=2)
    assert [line["step"] for line in two] == [line["step"] for line in one]
    assert len(one) > 12
    for ours, theirs in zip(two, one, strict=True):
        assert ours.keys() == theirs.keys() >= {"loss", "task_loss", "distillation_loss", "hidden_state_loss"}
        assert all(value == pytest.approx(theirs[name], abs=1e-5) for name, value in ours.items() if "loss" in name)
    assert [p.name for p in sorted((tmp_path / "two" / "scratch" / "checkpoints").iterdir())] == [
        "checkpoint-00000012",
        "checkpoint-00000016",
    ]


def processes_of(project):
    """Workers whose project this is."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_text()
            found += [int(folder.name)] if str(project.root) in words and "worker_main" in words else []
    return found


def test_a_process_that_dies_ends_the_others_and_is_told(trained, project):
    def kill_the_last(done):
        if done >= 3 and not killed:
            killed.append(max(processes_of(project)))
            os.kill(killed[0], signal.SIGKILL)

    killed = []
    with pytest.raises(TargetFailed, match="the process of `train` was ended by SIGKILL"):
        trained("killed", Heard(kill_the_last), per_device_train_batch_size=3, num_processes=2)
    assert killed
    assert gone(project)


def test_a_stop_ends_all_processes_and_they_go_on_together(trained, project):
    class Interrupted(KeyboardInterrupt):
        pass

    def stop(done):
        if done >= 6:  # past the first of four epochs
            assert len(processes_of(project)) == 3
            raise Interrupted

    settings = {"per_device_train_batch_size": 3, "num_processes": 2}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True}
    with pytest.raises(Interrupted):
        trained("stopped", Heard(stop), **settings, **best)
    assert gone(project)
    report = Heard()
    curve = trained("stopped", report, **settings, **best)
    assert any(line.startswith("continuing after epoch ") for line in report.lines)
    assert sorted({line["step"] for line in curve}) == list(range(1, 17))
    assert any(line.startswith("the model is that of epoch ") for line in report.lines)


def gone(project):
    deadline = time.monotonic() + 5
    while processes_of(project) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_of(project)


@pytest.mark.parametrize(("rows", "count"), [(1, 3), (4, 2), (5, 2), (7, 3)])
def test_every_row_is_computed_by_somebody(split, rows, count):
    batch = Corpus(splits=(split,)).batch(range(rows))
    parts = [Processes(count, rank).part(batch) for rank in range(count)]
    assert len({len(part.input_ids) for part in parts}) == 1
    woven = torch.stack([part.input_ids for part in parts], 1).flatten(0, 1)[:rows]
    assert torch.equal(woven, batch.input_ids)
