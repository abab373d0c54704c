"""From a recipe's entries to modifiers, and what they ask of training as a whole."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from sparsebuild import modifiers, recipe
from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.reading import MODIFIERS, UNSUPPORTED

RANGE = "  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 2.5}\n"
RATE = "  - !LearningRateFunctionModifier {start_epoch: 0, end_epoch: 2, lr_func: linear, init_lr: 1e-3, final_lr: 0}\n"
KEEP = "  - !ConstantPruningModifier {start_epoch: 0.0, params: __ALL_PRUNABLE__}\n"
TEACH = "  - !DistillationModifier {hardness: 1.0}\n"
CASES = Path(__file__).parents[1] / "cases" / "recipes"


def test_those_that_end_first_come_first_whatever_the_file_says(specs) -> None:
    for order in itertools.permutations([RANGE, RATE, KEEP, TEACH]):
        tags = [spec.tag for spec in specs("".join(order))]
        assert tags == [
            "LearningRateFunctionModifier",
            "EpochRangeModifier",
            "DistillationModifier",
            "ConstantPruningModifier",
        ]


@pytest.mark.parametrize(("text", "epochs"), [(RANGE, 3), (RATE, 2), (KEEP + TEACH, None), (RATE + RANGE + KEEP, 3)])
def test_the_number_of_epochs_is_the_latest_mark_rounded_up(text: str, epochs: int | None, specs) -> None:
    assert modifiers.epochs(specs(text)) == epochs


def test_a_late_start_counts_for_the_number_of_epochs(specs) -> None:
    assert modifiers.epochs(specs("  - !QuantizationModifier {start_epoch: 3.5}\n")) == 4


def test_a_recipe_without_modifiers_asks_for_nothing(specs) -> None:
    assert modifiers.epochs(()) is None
    assert modifiers.schedule_table((), 3) == []


@pytest.mark.parametrize("tag", sorted(UNSUPPORTED))
def test_modifiers_that_we_know_but_do_not_have_are_refused_by_name(tag: str, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(f"  - !{tag} {{start_epoch: 0.0}}\n")
    hint = f"\n\nhint: {UNSUPPORTED[tag]}" if UNSUPPORTED[tag] else ""
    line, carets = f"  - !{tag} {{start_epoch: 0.0}}", "^" * (len(tag) + 1)
    frame = f"  1 | modifiers:\n  2 | {line}\n    |     {carets}"
    assert str(caught.value) == f"error: `{tag}` is not supported\n  --> r.yaml:2:5\n{frame}{hint}"
    assert tag not in MODIFIERS


def test_what_training_must_have_can_be_asked(specs) -> None:
    asks = (modifiers.needs_teacher, modifiers.needs_hidden_states, modifiers.sets_learning_rate)
    assert [ask(specs(TEACH)) for ask in asks] == [True, False, False]
    assert [ask(specs("  - !DistillationModifier {hidden_states: 0.3}\n")) for ask in asks] == [True, True, False]
    assert [ask(specs(RANGE + RATE + KEEP)) for ask in asks] == [False, False, True]


def test_specs_are_the_same_from_json(specs) -> None:
    text = (CASES / "good" / "sparse_transfer.yaml").read_text()
    resolved = recipe.resolve(recipe.read(text, "r.yaml"))
    again = recipe.Resolved.from_json(resolved.to_json())
    assert modifiers.specs(again) == modifiers.specs(resolved)


def test_arguments_move_the_schedule() -> None:
    text = (CASES / "good" / "sparse_transfer.yaml").read_text()
    args = {"num_epochs": 12, "qat_start_epoch": 7.0, "observer_epoch": 11.0}
    found = modifiers.specs(recipe.resolve(recipe.read(text, "r.yaml"), args))
    assert modifiers.epochs(found) == 12
    quantization = found[-1]
    assert (quantization.start_epoch, quantization.disable_quantization_observer_epoch) == (7, 11)


@pytest.mark.parametrize("epoch", ["1e20", "100001", "eval(10 ** 6)"])
def test_an_end_that_nobody_lives_to_see_is_refused(epoch, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(f"  - !EpochRangeModifier {{start_epoch: 0, end_epoch: {epoch}}}\n")
    assert "`end_epoch` must be at most 100,000, found 1" in str(caught.value)
    assert "--> r.yaml:2:53" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "name", "wanted"),
    [
        (
            "GlobalFisherPruningModifier {final_sparsity: 0.5, end_epoch: 1, update_steps: eval(16 / 2)}",
            "update_steps",
            8,
        ),
        ("StructuredPruningModifier {cuts: eval(2 / 2), targets: {layers: eval(4 / 2)}}", "cuts", 1),
    ],
)
def test_a_division_that_comes_out_even_gives_a_whole_number(written, name, wanted, specs) -> None:
    (spec,) = specs(f"  - !{written.replace(' {', ' {start_epoch: 0, ', 1)}\n")
    assert (getattr(spec, name), type(getattr(spec, name))) == (wanted, int)


def test_a_division_that_leaves_a_rest_gives_none(specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs("  - !StructuredPruningModifier {cuts: eval(5 / 2), targets: {layers: 2}}\n")
    assert "`cuts` must be a whole number, found 2.5" in str(caught.value)


def test_ranges_may_learn_for_ever(specs) -> None:
    (spec,) = specs("  - !QuantizationModifier {start_epoch: 0, disable_quantization_observer_epoch: 1000000}\n")
    assert spec.disable_quantization_observer_epoch == 1_000_000


def test_the_table_tells_the_schedule(specs) -> None:
    text = (CASES / "good" / "sparse_transfer.yaml").read_text()
    found = modifiers.specs(recipe.resolve(recipe.read(text, "r.yaml")))
    assert [(p.modifier, p.start, p.end, p.value) for p in modifiers.schedule_table(found, 6)] == [
        ("EpochRangeModifier", 0, 6, "training"),
        ("LearningRateFunctionModifier", 0, 6, "3e-4 → 0, linear"),
        ("DistillationModifier", 0, 6, "hardness 1, temperature 2"),
        ("ConstantPruningModifier", 0, 6, "zeros stay zeros"),
        ("QuantizationModifier", 4, 5, "int8 in training, 7 bits of the weights; ranges are learned"),
        ("QuantizationModifier", 5, 6, "int8 in training; ranges are fixed"),
    ]


def test_reading_and_telling_a_recipe_needs_no_torch() -> None:
    code = f"""
import sys
from pathlib import Path
from sparsebuild import modifiers, recipe
from sparsebuild.registry import load
list(map(load, modifiers.MODIFIERS.values()))
text = Path({str(CASES / "good" / "sparse_transfer.yaml")!r}).read_text()
specs = modifiers.specs(recipe.resolve(recipe.read(text, "r.yaml")))
assert modifiers.schedule_table(specs, modifiers.epochs(specs))
heavy = {{"torch", "transformers", "numpy", "onnx", "pydantic"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
