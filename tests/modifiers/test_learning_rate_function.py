"""The learning rate as a curve."""

from __future__ import annotations

import math

import pytest

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Moment


def entry(**fields: object) -> str:
    given = {"start_epoch": 0.0, "end_epoch": 3.0, "lr_func": "linear", "init_lr": 1.5e-4, "final_lr": 0.0, **fields}
    return f"  - !LearningRateFunctionModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def rates(spec, steps: int, per_epoch: int = 4) -> list[float | None]:
    return [spec.rate(Moment(step=k, steps_per_epoch=per_epoch, epochs=9)) for k in range(steps)]


def test_linear_over_three_epochs_of_four_steps(specs) -> None:
    """The values that SparseML was seen to use; it never gets to exactly 0."""
    (spec,) = specs(entry())
    assert rates(spec, 12) == pytest.approx([1.5e-4 - k * 1.25e-5 for k in range(12)], abs=1e-18)
    assert rates(spec, 12)[-1] == pytest.approx(1.25e-5, abs=1e-18)


def test_before_the_start_the_rate_is_left_alone_and_after_the_end_it_stays(specs) -> None:
    (spec,) = specs(entry(start_epoch=0.5, end_epoch=1.5, init_lr=0.4, final_lr=0.2))
    assert rates(spec, 2) == [None, None]
    assert rates(spec, 9)[2:] == pytest.approx([0.4, 0.35, 0.3, 0.25, 0.2, 0.2, 0.2])


def test_cosine(specs) -> None:
    (spec,) = specs(entry(lr_func="cosine", init_lr=0.2, final_lr=0.0, end_epoch=1))
    assert rates(spec, 4) == pytest.approx([0.1 * (1 + math.cos(math.pi * k / 4)) for k in range(4)], abs=1e-15)


def test_cycles(specs) -> None:
    (spec,) = specs(entry(lr_func="cyclic_linear", init_lr=0.3, cycle_epochs=1.0, end_epoch=1.75))
    assert rates(spec, 8) == pytest.approx([0.3, 0.2, 0.1, 0.0, 0.3, 0.15, 0.0, 0.0], abs=1e-12)


def test_warm_up_counts_from_the_start_of_the_modifier(specs) -> None:
    (spec,) = specs(entry(start_epoch=0.5, init_lr=0.4, final_lr=0.4, warmup_steps=4))
    assert rates(spec, 8)[2:] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_the_measured_schedule_to_the_digit(specs) -> None:
    """lr 5e-4 · min(1, (step + 1) / 20) · (1 - step / steps)."""
    (spec,) = specs(entry(init_lr=5e-4, end_epoch=6, warmup_steps=20))
    wanted = [5e-4 * min(1, (k + 1) / 20) * (1 - k / 1278) for k in range(1278)]
    assert rates(spec, 1278, per_epoch=213) == pytest.approx(wanted, rel=1e-12)


def test_training_uses_it(training) -> None:
    assert training(entry()).run().rates == pytest.approx([1.5e-4 - k * 1.25e-5 for k in range(12)], abs=1e-18)


def test_of_two_curves_the_one_that_ends_last_decides(training) -> None:
    first = entry(init_lr=0.4, final_lr=0.1, end_epoch=1)
    second = entry(init_lr=0.2, final_lr=0.2, start_epoch=1, end_epoch=3)
    played = training(second + first).run()
    assert played.rates == pytest.approx([0.4, 0.325, 0.25, 0.175, *[0.2] * 8])


def test_only_the_named_groups_are_set(training) -> None:
    played = training(entry(param_groups=[0]))
    played.attached[0].before_step(played.moment(0))
    assert played.optimizer.param_groups[0]["lr"] == 1.5e-4


def test_a_group_that_is_not_there_is_refused(training) -> None:
    with pytest.raises(RecipeError) as caught:
        training(entry(param_groups=[0, 3]))
    assert str(caught.value) == (
        "error: LearningRateFunctionModifier: `param_groups` names group 3, and the optimizer has 1\n\n"
        "hint: leave `param_groups` out: the rate is then set for all"
    )


def test_the_phase_for_people(specs) -> None:
    (spec,) = specs(entry(lr_func="cyclic_linear", cycle_epochs=0.5, warmup_steps=20))
    (phase,) = spec.phases(5)
    assert (phase.start, phase.end) == (0, 3)
    assert phase.value == "1.5e-4 → 0, cyclic linear in cycles of 0.5 epochs, 20 steps of warm-up"
