"""The whole path on the real model, as a user runs it: few, slow, and true."""

import signal
import subprocess
import time

import pytest

from sparsebuild.digest import file_digest

pytestmark = pytest.mark.slow

MODEL = "build/train/model/model.safetensors"
ONNX = "build/export/deployment/model.onnx"


def digests(workshop):
    return {path: file_digest(workshop.project / path) for path in (MODEL, ONNX)}


def test_the_file_is_the_model_with_every_promised_zero(built):
    export, metrics = built.read("build/export/export.json"), built.read("build/eval/metrics.json")
    assert export["agreement"] >= 1 - 2 / export["compared"]["words"]
    assert abs(export["f1_difference"]) <= 0.005
    assert export["weights"] == 10_616_832
    assert 8_493_466 == export["zeros_of_model"] <= export["zeros_in_file"]
    assert metrics["models"]["student"]["sparsity"] >= 0.8
    assert metrics["models"]["teacher"]["sparsity"] == 0


def test_a_pipeline_opens_the_trained_model(built):
    from transformers import AutoModelForTokenClassification, pipeline

    folder = built.project / "build" / "train" / "model"
    _, info = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    found = pipeline("token-classification", str(folder), device="cpu")("Ada Lovelace wrote to Charles Babbage")
    assert all(0 <= entity["score"] <= 1 for entity in found)


def test_a_fast_model_has_the_same_teacher_and_only_what_was_left_of_it(built, new_workshop, tmp_path):
    fast = new_workshop(tmp_path, "fast", built.folder / "cache")
    outcomes = fast.outcomes()
    assert outcomes["teacher"] == outcomes["teach"] == "restored"
    assert outcomes["train"] == outcomes["gate"] == "built"
    export = fast.read("build/export/export.json")
    assert export["cut"]["dense"] == {"layers": 6, "heads": 12, "neurons": 1536}
    left = export["cut"]["layers"].values()
    assert [sum(layer[what] for layer in left) for what in ("heads", "neurons")] == [6 * 6, 6 * 384]
    assert export["weights"] == 3_538_944
    card = (fast.project / "build" / "export" / "hub" / "README.md").read_text()
    assert "AutoModelForTokenClassification.from_config" in card


def test_a_recipe_of_ours_as_a_file_with_a_comment_changes_only_what_the_card_says_of_it(built):
    text = built.run("recipe", "show", "builtin:pruned80-quant", "--text").stdout
    (built.project / "mine.yaml").write_text(text.replace("num_epochs:", "# a thought\nnum_epochs:", 1))
    built.edit("sparse.toml", '"builtin:pruned80-quant"', '"mine.yaml"')
    assert {name for name, outcome in built.outcomes().items() if outcome != "fresh"} == {"gate"}
    built.edit("sparse.toml", '"mine.yaml"', '"builtin:pruned80-quant"')


def test_a_change_of_export_trains_nothing(built):
    built.edit("sparse.toml", 'scheme = "portable"', 'scheme = "portable"\nopset = 19')
    outcomes = built.outcomes()
    assert {name for name, outcome in outcomes.items() if outcome == "built"} == {"export", "gate"}
    built.edit("sparse.toml", "\nopset = 19", "")
    assert {outcome for name, outcome in built.outcomes().items() if name in ("export", "gate")} == {"restored"}


def test_try_tags_through_the_promoted_file(built):
    tried = built.run("try", "Ada Lovelace wrote to Charles Babbage in London")
    assert tried.returncode == 0, tried.stderr
    assert "Lovelace" in tried.stdout


def test_a_training_that_was_stopped_in_both_ways_ends_in_the_same_bytes(built, new_workshop, tmp_path):
    """Interrupted in the second of three epochs and killed in the third; nothing is shared with the first build."""
    again = new_workshop(tmp_path)
    assert stopped(again, signal.SIGINT) == 130
    assert stopped(again, signal.SIGKILL) == -signal.SIGKILL  # last: a worker may outlive it by a moment
    finished = again.run("run")
    assert finished.returncode == 0, finished.stderr
    assert "continuing after epoch 2 of 3" in finished.stderr
    assert digests(again) == digests(built)


def stopped(workshop, number):
    """What a run ends with that is sent a signal as soon as it has saved a step that there was not before."""

    def saved():
        work = workshop.project / ".sparsebuild" / "work" / "train"
        return max((int(p.name.split("-")[1]) for p in work.glob("*/scratch/checkpoints/checkpoint-[0-9]*")), default=0)

    before = saved()
    process = subprocess.Popen(workshop.command("run"), env=workshop.environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 600
    while saved() == before:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate()
    return process.returncode
