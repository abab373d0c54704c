"""training/watch.py, and the loop that is stopped by it."""

from types import SimpleNamespace

import pytest
import torch

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Moment
from sparsebuild.training.checkpoints import newest
from sparsebuild.training.loop import train
from sparsebuild.training.settings import Settings
from sparsebuild.training.watch import Watch, is_out_of_memory


def spec(on_loss):
    """A modifier that does `on_loss(step, loss)`."""

    class Acting(Attached):
        def on_loss(self, moment, batch, outputs, loss):
            return on_loss(moment.step, loss)

    return SimpleNamespace(start_epoch=-1.0, end_epoch=-1.0, attach=lambda run: Acting())


def failing(tiny, folder, on_loss, **settings):
    """What is told when `on_loss` breaks training, and the checkpoints that are then there."""
    run = tiny.training(folder, text="", epochs=3, **settings)
    object.__setattr__(run, "specs", [spec(on_loss)])
    with pytest.raises(TargetFailed) as caught:
        train(run)
    return str(caught.value)


def test_a_loss_that_is_no_number_stops_at_once_and_the_checkpoint_before_it_is_good(tiny, tmp_path):
    said = failing(tiny, tmp_path, lambda step, loss: loss * (float("nan") if step == 14 else 1), warmup_steps=1)
    assert said == (
        "error: the loss is nan at step 14 (epoch 1.40); the last good checkpoint is of step 10\n\n"
        "hint: to go on with the same settings ends here again: lower the learning rate"
    )
    assert all(bool(v.isfinite().all()) for v in newest(tmp_path).model.values())


def test_gradients_that_explode_while_the_loss_is_still_a_number(tiny, tmp_path):
    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * float("inf")

    said = failing(tiny, tmp_path, lambda step, loss: Steep.apply(loss) if step == 3 else loss, max_grad_norm=0.0)
    assert said.startswith("error: the gradients have exploded: their norm is nan at step 3 (epoch 0.30); there is no")
    assert "or set `train.max_grad_norm` to 1.0, or warm up with `train.warmup_steps`" in said


def test_memory_that_is_used_up_is_told_with_the_batch(tiny, tmp_path):
    said = failing(tiny, tmp_path, lambda step, loss: loss * torch.empty(2**50)[0] if step == 12 else loss)
    assert said.startswith("error: out of memory at step 12 (epoch 1.20), with a batch of 4 sentences of ")
    assert "the last good checkpoint is of step 10" in said
    assert "halve `train.per_device_train_batch_size` and double `train.gradient_accumulation_steps`" in said


def test_another_error_is_not_taken_for_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert is_out_of_memory(MemoryError())


@pytest.mark.gpu
def test_on_a_gpu_figures_are_looked_at_as_they_arrive():
    watch = Watch(Settings(), lambda: None)
    fine = torch.zeros((), device="cuda")
    for step in range(20):
        watch.see(Moment(step=step, steps_per_epoch=100, epochs=1), fine, fine)
    watch.see(Moment(step=20, steps_per_epoch=100, epochs=1), fine + float("nan"), fine)
    with pytest.raises(TargetFailed, match="the loss is nan at step 20"):
        watch.drain()
