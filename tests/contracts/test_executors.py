"""What every executor must do."""

import json
from pathlib import Path

import pytest

from sparsebuild.engine.action import File
from sparsebuild.engine.job import Job
from sparsebuild.errors import DataError, GateFailed, Interrupted, Position, Problem, TargetFailed, UserError
from sparsebuild.executors import EXECUTORS
from sparsebuild.executors.base import InternalStepError
from sparsebuild.layout import ProjectLayout
from sparsebuild.registry import lookup


class Heard(list):
    """A report that keeps what was said."""

    def __getattr__(self, said):
        return lambda *args, **fields: self.append((said, args, fields))


@pytest.fixture(params=EXECUTORS)
def executor(request, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "executors"))
    executor = lookup(EXECUTORS, request.param, "executor")(ProjectLayout(tmp_path))
    yield executor
    executor.close()


@pytest.fixture
def job(tmp_path):
    for folder in ("out", "scratch", ".sparsebuild/logs"):
        (tmp_path / folder).mkdir(parents=True)
    return Job(
        name="train",
        step="train",
        params={"a": [1, None, {"b": 0.5}]},
        inputs={"data": tmp_path / "data"},
        sources={"model": (File(path="x", size=1, sha256="0"),)},
        out=tmp_path / "out",
        scratch=tmp_path / "scratch",
        log=tmp_path / ".sparsebuild/logs/train.log",
        root=tmp_path,
        notes={"threads": 2},
    )


def failure(executor, job, step, kind):
    with pytest.raises(kind) as error:
        executor.run(job, f"odd_steps:{step}", Heard())
    return error.value


def test_the_step_is_given_the_job_and_heard_in_order(executor, job):
    heard = Heard()
    executor.run(job, "odd_steps:tell", heard)
    assert heard == [
        ("progress", (1, 2, "steps"), {"loss": 0.5, "phase": "warm-up"}),
        ("metric", ("f1", 0.9), {}),
        ("log", ("careful", "warning"), {}),
        ("note", ("threads", 4), {}),
    ]
    assert Job.from_json(json.loads((job.out / "job.json").read_text())) == job


def test_an_error_for_people_arrives_whole(executor, job):
    error = failure(executor, job, "bad_row", DataError)
    position = Position(file="data/train.jsonl", line=3, column=7)
    first = Problem(message="no tags", position=position, frame="  3 | {}", hint="add some")
    assert error.problems == (first, Problem(message="and another"))


def test_types_and_exit_codes_arrive(executor, job):
    assert isinstance(failure(executor, job, "gate", GateFailed), TargetFailed)
    assert failure(executor, job, "interrupted", Interrupted).exit_code == 143


def test_a_bug_arrives_with_its_traceback(executor, job):
    text = str(failure(executor, job, "bug", InternalStepError))
    assert text.startswith("Traceback") and text.endswith("KeyError: 'no such key'\n")  # noqa: PT018
    assert "I leave" in str(failure(executor, job, "leave", InternalStepError))
    assert "no attribute 'missing'" in str(failure(executor, job, "missing", InternalStepError))


def test_the_machines_limits_are_no_bugs(executor, job):
    error = failure(executor, job, "full_disk", UserError)
    assert str(error).startswith("error: no space left on the disk for `train`: ")
    assert f"hint: free some on the disk that holds {job.out}, and run again" in str(error)
    assert str(failure(executor, job, "no_memory", TargetFailed)) == "error: `train` ran out of memory"


def test_it_goes_on_after_a_failure_and_after_closing(executor, job):
    failure(executor, job, "gate", GateFailed)
    executor.run(job, "odd_steps:tell", Heard())
    executor.close()
    executor.close()
    executor.run(job, "odd_steps:tell", Heard())


def test_a_full_disk_is_told_as_that_whoever_meets_it(executor, job):
    assert "no space left on the disk for `train`" in str(failure(executor, job, "full_disk_in_words", UserError))
