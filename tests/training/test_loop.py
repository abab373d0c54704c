"""training/loop.py: the loop without and with a recipe, and after stops."""

import dataclasses
import json
import math

import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.errors import TargetFailed
from sparsebuild.training.batches import Corpus
from sparsebuild.training.evaluation import evaluate, torch_logits
from sparsebuild.training.live_teacher import LiveTeacher
from sparsebuild.training.loop import Training, train
from sparsebuild.training.models import open_pretrained
from sparsebuild.training.settings import Settings

EVERYTHING = """
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateFunctionModifier
      {start_epoch: 0.0, end_epoch: 4.0, lr_func: linear, init_lr: 1.0e-3, final_lr: 0.0, warmup_steps: 3}
pruning_modifiers:
  - !GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 2.5, final_sparsity: 0.5, update_steps: 2}
quantization_modifiers:
  - !QuantizationModifier {start_epoch: 1.5, disable_quantization_observer_epoch: 3.0, quantize_linear_activations: 0}
"""


class Stopped(Exception):
    pass


def specs_of(text):
    return modifiers.specs(recipe.resolve(recipe.read(text, "recipe.yaml"), {}))


def training(model_folder, split, validation, folder, *, stop_at=None, text=EVERYTHING, **settings):
    labels = json.loads((model_folder / "labels.json").read_text())
    chosen = Settings(per_device_train_batch_size=4, seed=7, **settings)

    def progress(done, total, unit, **fields):
        if stop_at is not None and done >= stop_at:
            raise Stopped

    return Training(
        model=open_pretrained(model_folder, labels, None, 7),
        corpus=Corpus(splits=(split,)),
        specs=specs_of(text) if text else (),
        settings=chosen,
        epochs=4 if text else 2,
        has_teacher=False,
        validate=lambda m: {"f1": evaluate(torch_logits(m), validation, labels, 8).overall.f1},
        checkpoints=folder,
        facts={"threads": 1},
        progress=progress,
        log=lambda message: None,
    )


def state(training):
    return {k: v.clone() for k, v in training.model.state_dict().items()}


@pytest.fixture(autouse=True)
def every_step_talks(monkeypatch):
    monkeypatch.setattr("sparsebuild.training.loop._TALK_EVERY", -1)


@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_stop_at_any_step_changes_no_bit(model_folder, split, validation, tmp_path, accumulation):
    """Through warm-up, pruning events, the start of quantization and the freeze of its observers."""
    kind = {"gradient_accumulation_steps": accumulation}
    whole = training(model_folder, split, validation, tmp_path / "whole", **kind)
    expected = train(whole)
    steps = whole.epochs * whole.steps_per_epoch
    for stop in range(3, steps, 9):
        folder = tmp_path / f"stop-{stop}"
        with pytest.raises(Stopped):
            train(training(model_folder, split, validation, folder, stop_at=stop, **kind))
        again = training(model_folder, split, validation, folder, **kind)
        found = train(again)
        assert all(torch.equal(v, state(whole)[k]) for k, v in state(again).items()), f"stopped at {stop}"
        assert all(torch.equal(v, expected.masks[k]) for k, v in found.masks.items())
        assert found.history == expected.history


SCHEDULE = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 4.0}
  - !LearningRateModifier {start_epoch: 0.5, end_epoch: 3, lr_class: StepLR, init_lr: 1e-3,
      lr_kwargs: {gamma: 0.7, step_size: 0.4}}
  - !SetLearningRateModifier {start_epoch: 3.2, learning_rate: 2e-4}
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


def test_every_other_modifier_continues_to_the_same_bits_as_well(model_folder, split, validation, tmp_path):
    """With a teacher that is asked at every step, and a map that is learned beside the model."""

    def begun(folder, stop_at=None):
        made = training(model_folder, split, validation, folder, stop_at=stop_at, text=SCHEDULE)
        return dataclasses.replace(made, teacher=live_teacher(model_folder), has_teacher=True)

    whole = begun(tmp_path / "whole")
    expected = train(whole)
    for stop in (13, 17, 24, 32):
        with pytest.raises(Stopped):
            train(begun(tmp_path / f"stop-{stop}", stop))
        again = begun(tmp_path / f"stop-{stop}")
        assert train(again).history == expected.history
        assert all(torch.equal(v, state(whole)[k]) for k, v in state(again).items()), f"stopped at {stop}"


def test_masks_and_schedule_reach_what_the_recipe_promised(model_folder, split, validation, tmp_path):
    done = training(model_folder, split, validation, tmp_path)
    trained = train(done)
    zeros, size = (sum(f(m) for m in trained.masks.values()) for f in (lambda m: int((m == 0).sum()), torch.numel))
    assert zeros == int(size * 0.5)
    weights = dict(done.model.named_parameters())
    assert all(bool((weights[n][m == 0] == 0).all()) for n, m in trained.masks.items())


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(model_folder, split, validation, tmp_path):
    expected = train(training(model_folder, split, validation, tmp_path / "whole"))
    with pytest.raises(Stopped):
        train(training(model_folder, split, validation, tmp_path / "cut", stop_at=25))
    newest = sorted((tmp_path / "cut").glob("checkpoint-*"))[-1] / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    assert train(training(model_folder, split, validation, tmp_path / "cut")).history == expected.history


def test_an_infinite_learning_rate_stops_training_and_says_where(model_folder, split, validation, tmp_path):
    broken = training(model_folder, split, validation, tmp_path, text="", learning_rate=1e30, max_grad_norm=0.0)
    with pytest.raises(TargetFailed, match=r"the loss is (nan|inf) at step \d+ \(epoch 0\.\d+\)"):
        train(broken)


def test_without_a_recipe_the_settings_rule(model_folder, split, validation, tmp_path):
    done = train(training(model_folder, split, validation, tmp_path, text="", learning_rate=1e-3))
    assert [h["step"] for h in done.history] == [10, 20]
    assert done.history[-1]["learning_rate"] == pytest.approx(1e-3 * (1 - 19 / 20))
    assert not done.masks
    assert math.isfinite(done.history[-1]["loss"])


def test_bfloat16_after_float32_in_one_process(model_folder, split, validation, tmp_path):
    """A worker trains the teacher and then the student; each has its own precision."""
    runs = {bf16: training(model_folder, split, validation, tmp_path / str(bf16), bf16=bf16) for bf16 in (False, True)}
    losses = {bf16: train(run).history[-1]["loss"] for bf16, run in runs.items()}
    assert losses[False] != losses[True]
    assert losses[False] == pytest.approx(losses[True], rel=0.05)
    assert all(p.dtype == torch.float32 for p in runs[True].model.parameters())
