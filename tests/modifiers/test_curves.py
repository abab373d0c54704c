"""A recipe's course in numbers."""

from __future__ import annotations

import pytest

from sparsebuild.modifiers.curves import course

RATES = (
    "  - !LearningRateFunctionModifier {start_epoch: 1, end_epoch: 2, lr_func: linear, init_lr: 0.2, final_lr: 0.1}\n"
    "  - !LearningRateFunctionModifier {start_epoch: 2, end_epoch: 4, lr_func: linear, init_lr: 0.8, final_lr: 0}\n"
)
PRUNE = (
    "  - !MagnitudePruningModifier {start_epoch: 1, end_epoch: 3, init_sparsity: 0.2, final_sparsity: 0.8, "
    "update_frequency: 0.5, inter_func: linear, params: __ALL_PRUNABLE__, leave_enabled: %s}\n"
)


def test_of_several_rates_the_one_that_ends_last_counts(specs) -> None:
    found = course(specs(RATES), 4, 4)
    assert found.at == (0.5, 1.5, 2.5, 3.5)
    assert found.learning_rate == (None, *(pytest.approx(v) for v in (0.15, 0.6, 0.2)))


def test_zeros_stay_unless_they_are_let_go(specs) -> None:
    held, freed = (course(specs(PRUNE % kept), 4, 4).sparsity for kept in ("true", "false"))
    assert held == (None, *(pytest.approx(v) for v in (0.35, 0.65, 0.8)))
    assert freed[:3] == held[:3]
    assert freed[3] is None


def test_quantization_begins_where_the_recipe_says(specs) -> None:
    assert course(specs("  - !QuantizationModifier {start_epoch: 2}\n"), 4, 4).quantized == (False, False, True, True)
