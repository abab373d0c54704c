"""training/watch.py, and the loop that is stopped by it."""

import math
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
    constant = {"max_grad_norm": 0.0, "lr_scheduler_type": "constant"}
    said = failing(tiny, tmp_path, lambda step, loss: Steep.apply(loss) if step == 3 else loss, **constant)
    assert said.endswith("lower the learning rate, or set `train.max_grad_norm` to 1.0")


def test_memory_that_is_used_up_is_told_with_the_batch(tiny, tmp_path):
    said = failing(tiny, tmp_path, lambda step, loss: loss * torch.empty(2**50)[0] if step == 12 else loss)
    assert said.startswith("error: out of memory at step 12 (epoch 1.20), with a batch of 4 sentences of ")
    assert "the last good checkpoint is of step 10" in said
    assert "halve `train.per_device_train_batch_size` and double `train.gradient_accumulation_steps`" in said


def test_another_error_is_not_taken_for_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert is_out_of_memory(MemoryError())


def watched(rows, labels=3, checkpoint=None, **settings):
    """What a watch says of (loss, norm) after (loss, norm), and at which step; nothing if all is well."""
    watch = Watch(Settings(**settings), labels, lambda: checkpoint)
    for step, (loss, norm) in enumerate(rows):
        moment = Moment(step=step, steps_per_epoch=100, epochs=10)
        try:
            watch.see(moment, *(torch.tensor(float(x)) for x in (loss, loss, norm)))
        except TargetFailed as error:
            return step, str(error)
    return None


def test_a_loss_far_above_guessing_is_an_explosion_once_it_stays():
    far = 10.1 * math.log(3)
    assert watched([(1, 1)] * 30 + [(far, 1)] * 19 + [(1, 1)] + [(far, 1)] * 19) is None
    step, said = watched([(1, 1)] * 30 + [(far, 1)] * 20, checkpoint=20)
    assert step == 49
    assert said == (
        "error: the loss has exploded: for 20 updates it was above 11, ten times that of guessing; it is 11.1 at step "
        "49 (epoch 0.49); the last good checkpoint is of step 20\n\n"
        "hint: to go on with the same settings ends here again: lower the learning rate, or warm up with "
        "`train.warmup_steps`, or, if this is as it should be, set `train.explosion_patience` to 0"
    )
    assert "the checkpoint of step 15 was written when that had begun" in watched([(far, 1)] * 50, checkpoint=15)[1]
    assert watched([(far, 1)] * 90, explosion_patience=0) is None
    assert watched([(far, 1)] * 90, explosion_patience=3)[0] == 2


def test_a_norm_is_held_to_what_it_was_before_and_never_by_its_size_alone():
    assert watched([(1, 1e4)] * 300) is None  # large, and always so
    assert watched([(1, 1e-5)] * 100 + [(1, 90)] * 100) is None  # from a teacher's copy to a pruned one
    assert watched([(1, 2.0)] * 9 + [(1, 1e4)] * 100) is None  # too soon to say
    step, said = watched([(1, 2.0)] * 20 + [(1, 201)] * 20)
    assert step == 39
    assert "for 20 updates their norm was above 100 times what it was before (2); it is 201 at step 39" in said


def test_a_training_that_explodes_is_stopped(tiny, tmp_path):
    """At a rate of 10 weights jump by 10 at each step: every loss is a number, and none is any good."""
    run = tiny.training(tmp_path, text="", epochs=12, learning_rate=10.0, lr_scheduler_type="constant")
    with pytest.raises(TargetFailed, match=r"the loss has exploded: for 20 updates .* at step \d\d \(epoch [2-5]\."):
        train(run)


ROUGH = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 9.0}
  - !SetLearningRateModifier {start_epoch: 0.0, learning_rate: 0.05}
  - !MagnitudePruningModifier {params: __ALL_PRUNABLE__, start_epoch: 5.0, end_epoch: 5.1, init_sparsity: 0.95,
      final_sparsity: 0.97, update_frequency: 0.1}
  - !QuantizationModifier {start_epoch: 6.0, weight_bits: 4, activation_bits: 4, submodules: [bert.encoder]}
"""


def test_a_training_that_is_handled_roughly_goes_on(tiny, tmp_path):
    """A rate far too high, 97 % of the weights gone at once, four bits: bad, and no explosion."""
    assert train(tiny.training(tmp_path, text=ROUGH, epochs=9, max_grad_norm=0.0)).history[-1]["step"] == 90


@pytest.mark.gpu
def test_on_a_gpu_figures_are_looked_at_as_they_arrive():
    watch = Watch(Settings(), 3, lambda: None)
    fine = torch.zeros((), device="cuda")
    for step in range(20):
        watch.see(Moment(step=step, steps_per_epoch=100, epochs=1), fine, fine, fine)
    watch.see(Moment(step=20, steps_per_epoch=100, epochs=1), fine + float("nan"), fine, fine)
    with pytest.raises(TargetFailed, match="the loss is nan at step 20"):
        watch.drain()
