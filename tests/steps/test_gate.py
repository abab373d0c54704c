"""steps/gate.py: what does not hold promotes nothing; what holds, in the layouts of those who run it."""

import contextlib
import json
from dataclasses import asdict

import pytest

from sparsebuild import lock as locks
from sparsebuild.digest import file_digest, text_digest
from sparsebuild.errors import GateFailed, LockOutOfDate
from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.shipping.facts import Facts, Origin
from sparsebuild.shipping.provenance import compare, read
from sparsebuild.steps import gate

SCORES = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 8, "accuracy": 0.9, "by_type": {}}


@pytest.fixture
def built(tmp_path):
    """An evaluation, an export and a model, as their steps leave them, in a project with a lock."""
    models = {
        "teacher": {"validation": {**SCORES, "f1": 0.93}, "sparsity": 0.0, "bytes": 9, "bytes_zstd": 8},
        "student": {"validation": {**SCORES, "f1": 0.91}, "sparsity": 0.8, "bytes": 9, "bytes_zstd": 8},
    }
    export = {
        "scheme": "portable",
        "agreement": 0.9995,
        "inputs": [{"name": name} for name in ("input_ids", "attention_mask", "token_type_ids")],
        "compared": {"sentences": 2, "words": 9},
        "validation": SCORES,
        "labels": ["O", "B-person", "I-person"],
        "sparsity": 0.8,
        "bytes": 22_900_000,
        "bytes_zstd": 10_600_000,
    }
    for folder, name, value in (("e", "metrics.json", {"models": models}), ("x", "export.json", export)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(json.dumps(value))
    (tmp_path / "x" / "deployment").mkdir()
    (tmp_path / "x" / "deployment" / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "m" / "tokenizer.json").write_text('{"decoder": {"type": "WordPiece"}}')
    locks.write(tmp_path / "sparse.lock", Lock())
    return {"eval": tmp_path / "e", "export": tmp_path / "x", "model": tmp_path / "m"}


def facts():
    return asdict(
        Facts(
            project="people",
            task="token-classification",
            version="0.1.0",
            lock=text_digest(locks.text(Lock())),
            base="model",
            settings={},
            recipe=None,
            libraries={},
            sources=(Origin(name="model", request="file:model", files={"config.json": "1" * 64}),),
        )
    )


def test_what_holds_is_promoted_with_its_figures(built, make_job, listener):
    limits = {"f1": ">= 0.9", "f1_drop_from_teacher": "<= 0.05", "sparsity": ">= 0.8", "size_mb": "< 23"}
    job = make_job("gate", {"gates": limits, "facts": facts()}, **built)
    gate.run(job, listener)
    assert (job.out / "deployment" / "model.onnx").read_bytes() == b"onnx"
    gates = json.loads((job.out / "gate.json").read_text())["gates"]
    assert [(g["name"], g["holds"]) for g in gates] == [(name, True) for name in limits]
    assert gates[1]["value"] == pytest.approx(0.03)


def test_the_same_model_is_promoted_in_the_layout_of_the_hub(built, make_job, listener):
    job = make_job("gate", {"facts": facts()}, **built)
    gate.run(job, listener)
    hub = job.out / "hub"
    assert (hub / "onnx" / "model_quantized.onnx").read_bytes() == b"onnx"
    assert (hub / "model.safetensors").read_bytes() == b"weights"
    assert file_digest(hub / "sparse.lock") == facts()["lock"]
    assert "# people" in (hub / "README.md").read_text()
    assert compare(hub, read(hub)) == compare(job.out, read(job.out)) == ()
    assert set(read(job.out).subjects) > {"deployment/model.onnx", "hub/provenance.json", "gate.json"}


def test_recipes_of_other_variants_do_not_travel(built, make_job, listener, tmp_path):
    files = (LockedFile(path="r.yaml", size=1, sha256="1" * 64),)
    recipes = [LockedSource(name=f"recipe.{n}", kind="file-recipe", request="file:r.yaml", files=files) for n in "ab"]
    locks.write(tmp_path / "sparse.lock", Lock(sources=tuple(recipes)))
    shipped = locks.text(Lock(sources=(recipes[0],)))
    job = make_job("gate", {"facts": {**facts(), "variant": "a", "lock": text_digest(shipped)}}, **built)
    gate.run(job, listener)
    assert (job.out / "hub" / "sparse.lock").read_text() == shipped


def test_a_lock_that_was_edited_in_the_meantime_promotes_nothing(built, make_job, listener):
    job = make_job("gate", {"facts": {**facts(), "lock": "0" * 64}}, **built)
    with pytest.raises(LockOutOfDate, match=r"sparse\.lock is no longer the one with which this run began"):
        gate.run(job, listener)
    assert not list(job.out.iterdir())


def test_every_gate_that_fails_is_named_and_nothing_is_promoted(built, make_job, listener):
    job = make_job("gate", {"gates": {"f1": ">= 0.95", "agreement": ">= 0.9999", "sparsity": ">= 0.8"}}, **built)
    with pytest.raises(GateFailed) as caught:
        gate.run(job, listener)
    assert str(caught.value) == (
        "error: 2 of 3 gates do not hold:\n  f1 is 0.9, must be >= 0.95\n  agreement is 0.9995, must be >= 0.9999\n\n"
        "hint: nothing was promoted; build/export is as it was"
    )
    assert not list(job.out.iterdir())


@pytest.mark.parametrize(("zeros", "holds"), [(0.899999548, True), (0.8999, False)])
def test_nine_tenths_of_the_weights_need_not_be_a_whole_number_of_them(built, make_job, listener, zeros, holds):
    metrics = built["eval"] / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"sparsity": 0.8', f'"sparsity": {zeros}'))
    job = make_job("gate", {"gates": {"sparsity": ">= 0.90"}, "facts": facts()}, **built)
    with contextlib.nullcontext() if holds else pytest.raises(GateFailed, match=r"sparsity is 0\.8999, must be"):
        gate.run(job, listener)


def test_speed_is_what_bench_measured_first(built, make_job, listener, tmp_path):
    (tmp_path / "b").mkdir()
    headline = {"runtime": "onnxruntime", "shape": "1x128", "speedup": 2.4, "latency_ms": 7.5}
    (tmp_path / "b" / "bench.json").write_text(json.dumps({"headline": headline}))
    gates = {"speedup": ">= 2", "latency_ms": "<= 8"}
    job = make_job("gate", {"gates": gates, "facts": facts()}, **built, bench=tmp_path / "b")
    gate.run(job, listener)
    assert listener.metrics == {"gate.speedup": 2.4, "gate.latency_ms": 7.5}


def test_a_speed_that_was_not_measured_holds_nothing(built, make_job, listener, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bench.json").write_text(json.dumps({"headline": {"runtime": "deepsparse", "shape": "1x128"}}))
    job = make_job("gate", {"gates": {"speedup": ">= 2"}, "facts": facts()}, **built, bench=tmp_path / "b")
    with pytest.raises(GateFailed, match=r"speedup has nothing to compare with: `bench` could not run the first"):
        gate.run(job, listener)


def test_without_a_teacher_there_is_no_drop_to_speak_of(built, make_job, listener):
    metrics = built["eval"] / "metrics.json"
    models = json.loads(metrics.read_text())["models"]
    metrics.write_text(json.dumps({"models": {"student": models["student"]}}))
    with pytest.raises(GateFailed, match=r"gate\.f1_drop_from_teacher has nothing to compare with"):
        gate.run(make_job("gate", {"gates": {"f1_drop_from_teacher": "<= 0.1"}}, **built), listener)
