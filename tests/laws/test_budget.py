"""Laws of the search for shapes under a budget."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.numerics.budget import Choice, Costs, DoesNotFit, best_choices, best_plan, grid

WHOLE = st.builds(
    Choice, size=st.integers(1, 9), cost=st.integers(0, 12).map(float), lost=st.integers(0, 20).map(float)
)
ANY = st.builds(Choice, size=st.integers(1, 9), cost=st.floats(0, 12), lost=st.floats(0, 20))
SCORES = st.lists(st.lists(st.floats(0, 9), min_size=4, max_size=4), min_size=2, max_size=2)


def parts_of(choice):
    return st.lists(st.lists(choice, min_size=1, max_size=5), min_size=1, max_size=4)


def brute_force(parts, budget):
    """The least that can be lost, and the least cost of that; None where nothing fits."""
    found = [(sum(c.lost for c in chosen), sum(c.cost for c in chosen)) for chosen in itertools.product(*parts)]
    return min(((lost, cost) for lost, cost in found if cost <= budget), default=None)


@given(parts_of(WHOLE), st.integers(1, 40))
def test_with_whole_costs_the_search_finds_what_trying_all_finds(parts, budget) -> None:
    best = brute_force(parts, budget)
    if best is None:
        with pytest.raises(DoesNotFit):
            best_choices(parts, budget, units=budget)
        return
    chosen = best_choices(parts, budget, units=budget)
    assert all(choice in part for choice, part in zip(chosen, parts, strict=True))
    assert (sum(c.lost for c in chosen), sum(c.cost for c in chosen)) == best


@given(parts_of(ANY), st.floats(0.1, 40))
def test_with_any_costs_the_budget_holds_and_only_rounding_is_lost(parts, budget) -> None:
    best, units = brute_force(parts, budget), 1000
    if best is None:
        with pytest.raises(DoesNotFit):
            best_choices(parts, budget, units=units)
        return
    chosen = best_choices(parts, budget, units=units)
    assert sum(c.cost for c in chosen) <= budget * (1 + 1e-8)
    within_rounding = brute_force(parts, budget * (1 - len(parts) / units))
    if within_rounding:
        assert sum(c.lost for c in chosen) <= within_rounding[0] * (1 + 1e-9)


@given(SCORES, SCORES, st.floats(0.1, 1), st.floats(0.1, 1))
def test_more_budget_never_loses_more(heads, neurons, less, more) -> None:
    less, more = sorted((less, more))
    sizes = {size: size / 32 for size in range(1, 5)}  # four heads in each of two layers, four neurons likewise
    costs = Costs(heads=[sizes] * 2, neurons=[{n: 2 * c for n, c in sizes.items()}] * 2, rest=0.05)
    if (least := 0.05 + 6 / 32) > less:
        with pytest.raises(DoesNotFit) as error:
            best_plan(heads, neurons, costs, less)
        assert error.value.least == pytest.approx(least)
        return
    small = best_plan(heads, neurons, costs, less)
    assert small.cost <= less * (1 + 1e-8)
    rounding = 4 / 20_000
    assert best_plan(heads, neurons, costs, more * (1 + rounding)).lost <= small.lost * (1 + 1e-9)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_a_grid_has_both_ends_and_multiples_between(one, other) -> None:
    least, most = sorted((one, other))
    sizes = grid(most, least)
    assert (sizes[0], sizes[-1]) == (least, most)
    assert list(sizes) == sorted(set(sizes))
    assert all(size % 32 == 0 for size in sizes[1:-1])
    assert len(sizes) >= (most - least) // 32
