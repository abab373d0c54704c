"""A recipe's course in numbers."""

from __future__ import annotations

import pytest

from sparsebuild.modifiers.curves import course

RATES = (
    "  - !LearningRateFunctionModifier {start_epoch: 1, end_epoch: 2, lr_func: linear, init_lr: 0.2, final_lr: 0.1}\n"
    "  - !LearningRateFunctionModifier {start_epoch: 2, end_epoch: 4, lr_func: linear, init_lr: 0.8, final_lr: 0}\n"
)
RAMP = "  - !%s {start_epoch: %s, end_epoch: %s, init_sparsity: 0.2, final_sparsity: %s%s}\n"
TURNS = (
    "  - !ACDCPruningModifier {start_epoch: 0.5, end_epoch: %s, update_frequency: 0.5, compression_sparsity: 0.7, "
    "params: __ALL_PRUNABLE__, leave_enabled: %s}\n"
)
ALL, HALF = ", params: __ALL_PRUNABLE__", ", update_frequency: 0.5"
ONCE = "  - !SetLearningRateModifier {start_epoch: %s, learning_rate: %s}\n"
DOWN = "  - !LearningRateFunctionModifier {start_epoch: 0, end_epoch: 2, lr_func: %s, init_lr: 1e-3, final_lr: 0%s}\n"
TORCH = "  - !LearningRateModifier {start_epoch: 1, end_epoch: %s, lr_class: %s, lr_kwargs: {%s}, init_lr: 0.01}\n"
PRUNE = (
    "  - !MagnitudePruningModifier {start_epoch: 1, end_epoch: 3, init_sparsity: 0.2, final_sparsity: 0.8, "
    "update_frequency: 0.5, inter_func: linear, params: __ALL_PRUNABLE__, leave_enabled: %s}\n"
)


def test_of_several_rates_the_one_that_ends_last_counts(specs) -> None:
    found = course(specs(RATES), 4, 4)
    assert found.at == (0.5, 1.5, 2.5, 3.5)
    assert found.learning_rate == (None, *(pytest.approx(v) for v in (0.15, 0.6, 0.2)))


@pytest.mark.parametrize(
    "text",
    [
        RATES,
        ONCE % (-1, 0.02),
        ONCE % (0, 0.02) + ONCE % (2.5, 0.03),
        DOWN % ("linear", "") + ONCE % (3, 0.05),
        DOWN % ("cosine", ", warmup_steps: 3") + ONCE % (1, 0.05),
        DOWN % ("cyclic_linear", ", cycle_epochs: 0.5") + ONCE % (2, 0.05),
        TORCH % (3, "StepLR", "step_size: 0.5, gamma: 0.5") + ONCE % (2, 0.05),
        TORCH % (-1, "MultiStepLR", "milestones: [1.5, 3], gamma: 0.3") + DOWN % ("linear", "") + ONCE % (1, 0.05),
        TORCH % (3.5, "CosineAnnealingWarmRestarts", "cycle_epochs: 1") + ONCE % (3.5, 0.05) + RATES,
        TORCH % (2, "ExponentialLR", "gamma: 0.9") + DOWN % ("linear", ""),
    ],
)
def test_the_drawn_rate_is_the_one_that_training_uses(text, specs, training) -> None:
    played = training(text, per_epoch=4, epochs=4)
    drawn = course(specs(text), 4, 16, steps_per_epoch=4).learning_rate
    assert [1e-3 if rate is None else rate for rate in drawn] == pytest.approx(played.run().rates, rel=1e-12)


def test_a_rate_of_biases_alone_is_not_drawn_as_that_of_the_matrices(specs) -> None:
    biases = (ONCE % (1, 0.5)).replace("}", ", param_groups: [1]}")
    both = (ONCE % (2, 0.3)).replace("}", ", param_groups: [0, 1]}")
    assert course(specs(ONCE % (0, 0.1) + biases + both), 3, 3).learning_rate == (0.1, 0.1, 0.3)


def test_zeros_stay_unless_they_are_let_go(specs) -> None:
    held, freed = (course(specs(PRUNE % kept), 4, 4).sparsity for kept in ("true", "false"))
    assert held == (None, *(pytest.approx(v) for v in (0.35, 0.65, 0.8)))
    assert freed[:3] == held[:3]
    assert freed[3] is None


@pytest.mark.parametrize(
    "text",
    [
        RAMP % ("GMPruningModifier", 0.5, 2.5, 0.8, HALF + ALL),
        RAMP
        % ("GMPruningModifier", 0, 3, 0.8, ", update_frequency: 0.7, leave_enabled: false, mask_type: block4" + ALL),
        RAMP % ("MagnitudePruningModifier", 1, 2, 0.8, ", update_frequency: -1, leave_enabled: false" + ALL),
        RAMP
        % ("GMPruningModifier", 0, 2, "{0.4: ['re:.*query.weight'], 0.9: ['re:.*key.weight']}", HALF + ", params: []"),
        RAMP % ("GlobalMagnitudePruningModifier", 0.3, 2.2, 0.8, ", update_frequency: 0.33" + ALL),
        RAMP % ("MovementPruningModifier", 1, 3, 0.8, HALF + ", inter_func: inverse_cubic" + ALL),
        RAMP % ("OBSPruningModifier", 1, 2, 0.8, ", update_frequency: 1, num_grads: 2, global_sparsity: false" + ALL),
        RAMP % ("GlobalFisherPruningModifier", 1, 2.5, 0.8, ", update_steps: 1"),
        TURNS % (3, "true"),
        TURNS % (2.5, "false"),
        TURNS % (1.5, "false") + RAMP % ("GMPruningModifier", 1.5, 2.5, 0.6, HALF + ALL),
    ],
)
def test_the_drawn_sparsity_is_that_of_the_masks(text, specs, training) -> None:
    """At every step, but for rounding to whole weights."""
    played, held = training(text, per_epoch=10, epochs=3), []
    for step in range(30):
        played.step(played.moment(step))
        held.append(max(share(attached) for attached in played.attached))
    drawn = course(specs(text), 3, 30, steps_per_epoch=10).sparsity
    assert [asked or 0.0 for asked in drawn] == pytest.approx(held, abs=0.004)


def test_a_ramp_to_the_end_is_drawn_to_its_end(specs) -> None:
    found = course(specs(RAMP % ("GMPruningModifier", 0, 4, 0.8, HALF + ALL)), 4, 60).sparsity
    assert found[-2] == pytest.approx(0.2 + 0.6 * (1 - 0.125**3))
    assert found[-1] == 0.8


def share(attached) -> float:
    """Of what a modifier holds at zero; of one with a level for each parameter, in that which loses most."""
    if len(getattr(attached.spec, "levels", ())) > 1:
        return max((1 - float(mask.mean()) for mask in attached.masks().values()), default=0.0)
    return attached.held.sparsity


@pytest.mark.parametrize("levels", ["0.5: [a], 0.9: [b]", "0.9: [b], 0.5: [a]"])
def test_of_a_table_of_levels_the_highest_is_drawn(levels, specs) -> None:
    table = (PRUNE % "true").replace("0.8", f"{{{levels}}}").replace("__ALL_PRUNABLE__", "[]")
    assert course(specs(table), 4, 4).sparsity == (None, *(pytest.approx(v) for v in (0.375, 0.725, 0.9)))


def test_quantization_begins_where_the_recipe_says(specs) -> None:
    assert course(specs("  - !QuantizationModifier {start_epoch: 2}\n"), 4, 4).quantized == (False, False, True, True)
