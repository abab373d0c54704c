"""Learning-rate curves."""

from __future__ import annotations

import math

import pytest

from sparsebuild.numerics.learning_rate import cosine, cyclic_linear, linear, warm_up


def test_linear_goes_from_first_to_last() -> None:
    rates = [linear(k / 12, 1.5e-4, 0.0) for k in range(13)]
    assert rates == pytest.approx([1.5e-4 - 1.25e-5 * k for k in range(13)], abs=1e-18)
    assert rates[-1] == 0.0


@pytest.mark.parametrize("curve", [linear, cosine])
def test_outside_the_curve_its_ends_hold(curve) -> None:
    assert [curve(x, 0.3, 0.1) for x in (-1.0, 0.0, 1.0, 2.0)] == [0.3, 0.3, 0.1, 0.1]


@pytest.mark.parametrize(("first", "last"), [(0.4, 0.1), (0.1, 0.4)])
def test_cosine_is_the_recipes_formula_in_both_directions(first: float, last: float) -> None:
    for x in (0.0, 0.2, 0.5, 0.9):
        falling = last + (first - last) * (1 + math.cos(math.pi * x)) / 2
        rising = first + (last - first) * (1 + math.cos(math.pi * x + math.pi)) / 2
        assert cosine(x, first, last) == pytest.approx(falling if last < first else rising, abs=1e-15)


def test_cycles_start_at_first_and_end_at_last() -> None:
    rates = [cyclic_linear(k, 8, 4, 0.3, 0.0) for k in range(8)]
    assert rates == pytest.approx([0.3, 0.2, 0.1, 0.0] * 2, abs=1e-15)


def test_a_last_cycle_cut_short_runs_through_the_whole_range() -> None:
    rates = [cyclic_linear(k, 7, 4, 0.3, 0.0) for k in range(7)]
    assert rates == pytest.approx([0.3, 0.2, 0.1, 0.0, 0.3, 0.15, 0.0], abs=1e-15)


def test_a_cycle_of_one_step_is_no_division_by_zero() -> None:
    assert [cyclic_linear(k, 3, 1, 0.3, 0.0) for k in range(3)] == [0.3] * 3
    assert [cyclic_linear(k, 4, 3, 0.3, 0.0) for k in range(4)] == pytest.approx([0.3, 0.15, 0.0, 0.3])


def test_rounding_does_not_move_a_cycle() -> None:
    """0.1 epochs of 30 steps: 3.0000000000000004."""
    rates = [cyclic_linear(k, 30 * 0.3, 30 * 0.1, 0.2, 0.0) for k in range(9)]
    assert rates == pytest.approx([0.2, 0.1, 0.0] * 3, abs=1e-9)


def test_warm_up_rises_to_one() -> None:
    assert [warm_up(k, 4) for k in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert warm_up(0, 0) == 1
