"""training/loop.py: the loop without and with a recipe, and after stops."""

import dataclasses
import json
import math

import pytest
import torch

from sparsebuild.errors import TargetFailed
from sparsebuild.training.batches import Corpus
from sparsebuild.training.gradients import labelled_gradients
from sparsebuild.training.live_teacher import LiveTeacher
from sparsebuild.training.loop import train
from sparsebuild.training.models import open_pretrained


@pytest.fixture(autouse=True)
def every_step_talks(monkeypatch):
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)


SCHEDULE = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateModifier {start_epoch: 0.5, end_epoch: 3, lr_class: StepLR, init_lr: 1e-3,
      lr_kwargs: {gamma: 0.7, step_size: 0.4}}
  - !SetLearningRateModifier {start_epoch: 3.2, learning_rate: 2e-4}
  - !SetWeightDecayModifier {start_epoch: 0.4, weight_decay: 0.02}
  - !SetWeightDecayModifier {start_epoch: 1.3, weight_decay: 0.1, exclude: ['re:classifier']}
  - !TrainableParamsModifier {start_epoch: 0.5, end_epoch: 2.1, params: ['re:bert.embeddings'], trainable: false}
  - !SetParamModifier {start_epoch: 1.0, params: [classifier.bias], val: 0.1}
  - !GradualParamModifier {start_epoch: 0.5, end_epoch: 3, update_frequency: 0.3, init_val: 1.0, final_val: 1.2,
      inter_func: cubic, params: [bert.embeddings.LayerNorm.weight]}
  - !SparsificationLoggingModifier {update_frequency: 0.5}
  - !DistillationModifier {hardness: 0.6, distill_mask: false}
  - !PerLayerDistillationModifier {student_layer_names: [bert.encoder.layer.0.output.dense]}
  - !QuantizationModifier {start_epoch: 1.5, disable_quantization_observer_epoch: 3.0, ignore: [LayerNorm],
      scheme: {weights: {num_bits: 6, symmetric: false}, output_activations: {num_bits: 7}}}
"""


def live_teacher(model_folder):
    torch.manual_seed(3)
    model = open_pretrained(model_folder, json.loads((model_folder / "labels.json").read_text()), None, 3)
    return LiveTeacher(model, [0, 1, 2])


def test_every_other_modifier_continues_to_the_same_bits_as_well(tiny, model_folder, tmp_path):
    """With a teacher that is asked at every step, and a map that is learned beside the model."""

    def begun(folder, stop_at=None):
        made = tiny.training(folder, stop_at=stop_at, text=SCHEDULE)
        return dataclasses.replace(made, teacher=live_teacher(model_folder), has_teacher=True)

    whole = begun(tmp_path / "whole")
    expected = train(whole)
    for stop in (13, 17, 24, 32):
        with pytest.raises(tiny.Stopped):
            train(begun(tmp_path / f"stop-{stop}", stop))
        again = begun(tmp_path / f"stop-{stop}")
        assert train(again).history == expected.history
        assert tiny.same(tiny.state(again), tiny.state(whole)), f"stopped at {stop}"


def test_what_takes_long_between_two_steps_is_told(tiny, tmp_path):
    text = """
modifiers:
  - !OBSPruningModifier {start_epoch: 0.5, end_epoch: 1, update_frequency: 1, init_sparsity: 0.5, final_sparsity: 0.5,
      num_grads: 3, params: [bert.encoder.layer.0.output.dense.weight]}
"""
    told = []
    made = dataclasses.replace(
        tiny.training(tmp_path, text=text, epochs=1), progress=lambda done, total, unit, **_: told.append((unit, done))
    )
    train(made)
    taken = [("gradients", k) for k in (1, 2, 3)]
    assert [one for one in told if one[0] == "gradients"] == taken * 2  # at its start and at its end
    assert told[told.index(taken[0]) - 1] == ("steps", 5)


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


def test_gradients_that_are_taken_aside_change_nothing_and_follow_from_their_key(model_folder, split):
    model = open_pretrained(model_folder, ["O", "B-person", "I-person"], 0.1, 7).train()
    weights, before = [model.classifier.weight], {k: v.clone() for k, v in model.state_dict().items()}
    taken = labelled_gradients(model, Corpus(splits=(split,)), torch_loss, 4, 7)
    draw = torch.get_rng_state()
    once, again, other = ([g[0] for g in taken(weights, key=k, count=12, size=None)] for k in (1, 1, 2))
    assert torch.equal(torch.stack(once), torch.stack(again))
    assert not torch.equal(torch.stack(once), torch.stack(other))
    assert len({float(g.norm()) for g in once}) == 12  # forty sentences in batches of four: ten, and then others
    assert model.training
    assert model.classifier.weight.grad is None
    assert torch.equal(torch.get_rng_state(), draw)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_gradients_are_taken_of_weights_that_are_not_trained(model_folder, split):
    model = open_pretrained(model_folder, ["O", "B-person", "I-person"], 0.1, 7).requires_grad_(False)
    weight = model.classifier.weight
    taken = labelled_gradients(model, Corpus(splits=(split,)), torch_loss, 4, 7)
    frozen = [g[0] for g in taken([weight], key=1, count=2, size=None)]
    assert not weight.requires_grad
    weight.requires_grad_(True)
    assert all(map(torch.equal, frozen, (g[0] for g in taken([weight], key=1, count=2, size=None))))
    assert weight.requires_grad


def torch_loss(logits, labels):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
