"""training/selection.py: which epoch is the best, and when it is enough."""

import json
import math

import pytest

from sparsebuild.training.checkpoints import best
from sparsebuild.training.loop import train
from sparsebuild.training.selection import Standing, is_enough, judged, settles_at, structure_of
from sparsebuild.training.settings import Settings
from sparsebuild.training.shapes import shapes


def after(values, structures=None, is_settled=True, **settings):
    """The standing after epochs with these figures; epoch k ends with step 10 · k."""
    standing, chosen = Standing(), Settings(**settings)
    for k, value in enumerate(values, 1):
        structure = structures[k - 1] if structures else "dense"
        standing = judged(standing, chosen, step=10 * k, value=value, structure=structure, is_settled=is_settled)
    return standing


def test_the_greatest_is_the_best_and_the_first_of_equals():
    assert after([0.1, 0.3, 0.3, 0.2]).step == 20


def test_the_least_loss_is_the_best():
    assert after([0.9, 0.3, 0.4], metric_for_best_model="loss").step == 20
    assert after([0.9, 0.3, 0.4], metric_for_best_model="loss", greater_is_better=True).step == 10


def test_epochs_with_another_structure_are_out_of_the_running():
    assert after([0.9, 0.8, 0.3, 0.4], structures="aabb").step == 40
    assert after([0.9, 0.1], structures="ab").waited == 0


def test_what_is_no_number_is_never_the_best():
    assert after([math.nan, 0.1]).step == 20
    assert after([0.1, math.nan]).step == 10


def test_patience_counts_epochs_that_are_not_better_by_more_than_the_threshold():
    settings = Settings(early_stopping_patience=2, early_stopping_threshold=0.05)
    standing = after([0.5, 0.54, 0.55], early_stopping_patience=2, early_stopping_threshold=0.05)
    assert (standing.step, standing.value, standing.waited) == (30, 0.55, 2)
    assert is_enough(standing, settings)
    assert not is_enough(standing, Settings())
    assert after([0.5, 0.4, 0.4], is_settled=False).waited == 0


RAMP = """
modifiers:
  - !EpochRangeModifier {{start_epoch: 0.0, end_epoch: 6.0}}
  - !MagnitudePruningModifier {{start_epoch: 0.0, end_epoch: {end}, init_sparsity: 0.1, final_sparsity: 0.6,
      update_frequency: 0.5, params: __ALL_PRUNABLE__}}
  - !QuantizationModifier {{start_epoch: 2.0, quantize_linear_activations: 0}}
"""


@pytest.mark.parametrize(("end", "holds", "settled"), [(1.5, True, 3.0), (6.0, True, 6.0), (6.0, False, 3.0)])
def test_the_structure_is_final_when_the_last_of_its_changes_is_done(tiny, end, holds, settled):
    specs = tiny.specs_of(RAMP.format(end=end))
    assert settles_at(specs, [holds and "Pruning" in spec.tag for spec in specs], 6) == settled


@pytest.mark.parametrize(
    ("entry", "settled"),
    [
        ("StructuredPruningModifier {start_epoch: 0, end_epoch: 4, cuts: 3, targets: {ffn: 8}}", 4),
        ("StructuredPruningModifier {start_epoch: 0, end_epoch: 4, targets: {ffn: 8}}", 1),
        ("GradualParamModifier {start_epoch: 0, end_epoch: 4, update_frequency: 1, params: [x], init_val: 1,"
         " final_val: 0}", 4),
        ("LayerPruningModifier {start_epoch: 0, end_epoch: 2, layers: [x]}", 3),
        ("DistillationModifier {start_epoch: 0, end_epoch: 2}", 2),
        ("QuantizationModifier {start_epoch: 4}", 0),
    ],
)  # fmt: skip
def test_a_change_at_a_mark_is_done_in_the_epoch_after_it(tiny, entry, settled):
    assert settles_at(tiny.specs_of(f"modifiers:\n  - !{entry}\n"), [False], 4) == settled


def test_training_does_not_end_before_the_last_cut(tiny, tmp_path):
    cuts = "modifiers:\n  - !StructuredPruningModifier {start_epoch: 0, end_epoch: 3, cuts: 3, targets: {ffn: 8}}\n"
    run = tiny.training(tmp_path, text=cuts, epochs=3, early_stopping_patience=1, learning_rate=1e-8)
    train(run)
    assert {shape.neurons for shape in shapes(run.model).values()} == {8}


def test_the_best_epoch_is_none_at_which_a_parameter_was_on_its_way(tiny, tmp_path):
    leading = """modifiers:
  - !GradualParamModifier {start_epoch: 0, end_epoch: 3, update_frequency: 1, params: [classifier.bias],
      init_val: 5.0, final_val: 0.0}
"""
    greatest_loss = {"metric_for_best_model": "loss", "greater_is_better": True, "learning_rate": 1e-9}
    run = tiny.training(tmp_path, text=leading, epochs=3, load_best_model_at_end=True, **greatest_loss)
    train(run)
    assert run.model.classifier.bias.tolist() == [0.0, 0.0, 0.0]


def test_structures_are_told_apart_by_zeros_by_quantized_modules_and_by_size():
    assert structure_of({"a": 1, "b": 2}, ["x", "y"], {"a": 9}) == structure_of({"b": 2, "a": 1}, ["y", "x"], {"a": 9})
    assert structure_of({"a": 1}, [], {}) != structure_of({"a": 2}, [], {})
    assert structure_of({}, ["x"], {}) != structure_of({}, [], {})
    assert structure_of({}, [], {"a": 9}) != structure_of({}, [], {"a": 8})


def test_training_ends_when_patience_does_but_not_before_the_structure_is_final(tiny, tmp_path):
    said = []
    settings = {"early_stopping_patience": 1, "metric_for_best_model": "precision", "load_best_model_at_end": True}
    run = tiny.training(tmp_path, text=RAMP.format(end=1.5), epochs=6, log=said, **settings)
    trained = train(run)
    lines = [line for line in trained.history if "f1" in line and "best_epoch" not in line]
    assert 3 <= lines[-1]["epoch"] < 6
    assert f"ended after epoch {lines[-1]['epoch']} of 6: precision was no better for 1 epoch than" in "\n".join(said)
    held = sum(int((mask == 0).sum()) for mask in trained.masks.values())
    assert held == sum(promise.zeros for promise in trained.promises) > 0


def test_the_best_epochs_model_is_left_and_the_last_line_tells_of_it(tiny, tmp_path):
    settings = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True}
    run = tiny.training(tmp_path, text="", epochs=3, learning_rate=1e-3, **settings)
    trained = train(run)
    worst = max(trained.history[:-1], key=lambda line: line["eval_loss"])
    assert trained.history[-1] == {**worst, "best_epoch": worst["epoch"]}
    assert worst["epoch"] < 3
    assert tiny.same(tiny.state(run), best(tmp_path, worst["step"]).model)
    assert run.validate(run.model)["eval_loss"] == worst["eval_loss"]
    json.dumps(trained.history)
