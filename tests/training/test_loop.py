"""training/loop.py: the loop without and with a recipe, and after stops."""

import math

import pytest
import torch

from sparsebuild.errors import TargetFailed
from sparsebuild.training.loop import train


@pytest.fixture(autouse=True)
def every_step_talks(monkeypatch):
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)


def test_masks_and_schedule_reach_what_the_recipe_promised(tiny, tmp_path):
    done = tiny.training(tmp_path)
    trained = train(done)
    zeros, size = (sum(f(m) for m in trained.masks.values()) for f in (lambda m: int((m == 0).sum()), torch.numel))
    assert zeros == int(size * 0.5)
    weights = dict(done.model.named_parameters())
    assert all(bool((weights[n][m == 0] == 0).all()) for n, m in trained.masks.items())


def test_an_infinite_learning_rate_stops_training_and_says_where(tiny, tmp_path):
    broken = tiny.training(tmp_path, text="", learning_rate=1e30, max_grad_norm=0.0)
    with pytest.raises(TargetFailed, match=r"the loss is (nan|inf) at step \d+ \(epoch 0\.\d+\); there is no"):
        train(broken)


def test_without_a_recipe_the_settings_rule(tiny, tmp_path):
    done = train(tiny.training(tmp_path, text="", epochs=2, learning_rate=1e-3))
    assert [h["step"] for h in done.history] == [10, 20]
    assert done.history[-1]["learning_rate"] == pytest.approx(1e-3 * (1 - 19 / 20))
    assert not done.masks
    assert math.isfinite(done.history[-1]["loss"])


def test_bfloat16_after_float32_in_one_process(tiny, tmp_path):
    """A worker trains the teacher and then the student; each has its own precision."""
    runs = {bf16: tiny.training(tmp_path / str(bf16), bf16=bf16) for bf16 in (False, True)}
    losses = {bf16: train(run).history[-1]["loss"] for bf16, run in runs.items()}
    assert losses[False] != losses[True]
    assert losses[False] == pytest.approx(losses[True], rel=0.05)
    assert all(p.dtype == torch.float32 for p in runs[True].model.parameters())
