"""steps/gate.py: what does not hold promotes nothing."""

import json

import pytest

from sparsebuild.errors import GateFailed
from sparsebuild.steps import gate


@pytest.fixture
def built(tmp_path):
    """An evaluation and an export, as their steps leave them."""
    models = {
        "teacher": {"validation": {"f1": 0.93}, "sparsity": 0.0},
        "student": {"validation": {"f1": 0.91}, "sparsity": 0.8},
    }
    export = {"agreement": 0.9995, "validation": {"f1": 0.9}, "bytes": 22_900_000}
    for folder, name, value in (("e", "metrics.json", {"models": models}), ("x", "export.json", export)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(json.dumps(value))
    (tmp_path / "x" / "deployment").mkdir()
    (tmp_path / "x" / "deployment" / "model.onnx").write_bytes(b"onnx")
    return {"eval": tmp_path / "e", "export": tmp_path / "x"}


def test_what_holds_is_promoted_with_its_figures(built, make_job, listener):
    limits = {"f1": ">= 0.9", "f1_drop_from_teacher": "<= 0.05", "sparsity": ">= 0.8", "size_mb": "< 23"}
    job = make_job("gate", {"gates": limits}, **built)
    gate.run(job, listener)
    assert (job.out / "deployment" / "model.onnx").read_bytes() == b"onnx"
    gates = json.loads((job.out / "gate.json").read_text())["gates"]
    assert [(g["name"], g["holds"]) for g in gates] == [(name, True) for name in limits]
    assert gates[1]["value"] == pytest.approx(0.03)


def test_every_gate_that_fails_is_named_and_nothing_is_promoted(built, make_job, listener):
    job = make_job("gate", {"gates": {"f1": ">= 0.95", "agreement": ">= 0.9999", "sparsity": ">= 0.8"}}, **built)
    with pytest.raises(GateFailed) as caught:
        gate.run(job, listener)
    assert str(caught.value) == (
        "error: 2 of 3 gates do not hold:\n  f1 is 0.9, must be >= 0.95\n  agreement is 0.9995, must be >= 0.9999\n\n"
        "hint: nothing was promoted; build/export is as it was"
    )
    assert not list(job.out.iterdir())


def test_speed_is_what_bench_measured_first(built, make_job, listener, tmp_path):
    (tmp_path / "b").mkdir()
    headline = {"runtime": "onnxruntime", "shape": "1x128", "speedup": 2.4, "latency_ms": 7.5}
    (tmp_path / "b" / "bench.json").write_text(json.dumps({"headline": headline}))
    job = make_job("gate", {"gates": {"speedup": ">= 2", "latency_ms": "<= 8"}}, **built, bench=tmp_path / "b")
    gate.run(job, listener)
    assert listener.metrics == {"gate.speedup": 2.4, "gate.latency_ms": 7.5}


def test_a_speed_that_was_not_measured_holds_nothing(built, make_job, listener, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bench.json").write_text(json.dumps({"headline": {"runtime": "deepsparse", "shape": "1x128"}}))
    job = make_job("gate", {"gates": {"speedup": ">= 2"}}, **built, bench=tmp_path / "b")
    with pytest.raises(GateFailed, match=r"speedup has nothing to compare with: `bench` could not run the first"):
        gate.run(job, listener)


def test_without_a_teacher_there_is_no_drop_to_speak_of(built, make_job, listener):
    metrics = built["eval"] / "metrics.json"
    models = json.loads(metrics.read_text())["models"]
    metrics.write_text(json.dumps({"models": {"student": models["student"]}}))
    with pytest.raises(GateFailed, match=r"gate\.f1_drop_from_teacher has nothing to compare with"):
        gate.run(make_job("gate", {"gates": {"f1_drop_from_teacher": "<= 0.1"}}, **built), listener)
