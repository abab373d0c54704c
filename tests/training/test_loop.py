"""training/loop.py: the loop without and with a recipe, and after stops."""

import json
import math

import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.errors import TargetFailed
from sparsebuild.training.batches import Corpus
from sparsebuild.training.evaluation import evaluate, torch_logits
from sparsebuild.training.gradients import labelled_gradients
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


PRUNING = {  # one of each kind, at work early and late in 4 epochs
    "movement": """
  - !MovementPruningModifier {start_epoch: 0.3, end_epoch: 3.0, init_sparsity: 0.1, final_sparsity: 0.6,
      update_frequency: 0.4, params: ["re:bert.*dense.weight"], mask_type: block4}""",
    "obs": """
  - !OBSPruningModifier {start_epoch: 0.5, end_epoch: 3.0, init_sparsity: 0.2, final_sparsity: 0.7,
      update_frequency: 0.5, params: __ALL_PRUNABLE__, num_grads: 8, fisher_block_size: 5,
      grad_sampler_kwargs: {batch_size: 3}}""",
    "acdc": """
  - !ACDCPruningModifier {start_epoch: 0.2, end_epoch: 3.5, update_frequency: 0.75, compression_sparsity: 0.5,
      params: ["re:bert.*dense.weight"], mask_type: "2:4"}""",
    "layers": """
  - !LayerPruningModifier {start_epoch: 0.5, end_epoch: 2.5, layers: [bert.encoder.layer.0]}
  - !GlobalFisherPruningModifier {start_epoch: 0.2, end_epoch: 3.5, final_sparsity: 0.5, update_steps: 3}""",
}


@pytest.mark.parametrize("kind", PRUNING)
def test_pruning_of_every_kind_survives_stops_with_quantization_beside_it(
    model_folder, split, validation, tmp_path, kind
):
    text = (
        f"modifiers:\n  - !QuantizationModifier {{start_epoch: 1.5, quantize_linear_activations: 0}}{PRUNING[kind]}\n"
    )
    whole = training(model_folder, split, validation, tmp_path / "whole", text=text)
    expected = train(whole)
    for stop in (11, 22):
        with pytest.raises(Stopped):
            train(training(model_folder, split, validation, tmp_path / f"{stop}", stop_at=stop, text=text))
        again = training(model_folder, split, validation, tmp_path / f"{stop}", text=text)
        found = train(again)
        assert all(torch.equal(v, state(whole)[k]) for k, v in state(again).items()), f"stopped at {stop}"
        assert all(torch.equal(v, expected.masks[k]) for k, v in found.masks.items())
        assert found.mask_types == expected.mask_types
        assert found.history == expected.history


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


def torch_loss(logits, labels):
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
