"""Scores of structures against what they stand for, and exact choices."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.numerics.structures import best, best_of_all, gate_gradients, magnitudes


def test_a_gates_gradient_is_that_of_a_factor_on_its_columns() -> None:
    draw = torch.Generator().manual_seed(0)
    weight, x, goal = (torch.randn(*shape, generator=draw) for shape in ((5, 12), (7, 12), (7, 5)))
    gates = torch.ones(4, requires_grad=True)
    scaled = weight.clone().requires_grad_()
    ((x @ (scaled * gates.repeat_interleave(3)).T - goal) ** 2).mean().backward()
    torch.testing.assert_close(gate_gradients(weight, scaled.grad, 4), gates.grad)


def test_magnitudes_are_squared_norms_of_columns() -> None:
    weight = torch.arange(12.0).view(2, 6)
    assert magnitudes(weight, 3).tolist() == [0 + 1 + 36 + 49, 4 + 9 + 64 + 81, 16 + 25 + 100 + 121]


scores = st.lists(st.integers(0, 5), min_size=1, max_size=8).map(lambda values: torch.tensor(values).float())


@given(scores, st.integers(1, 8))
def test_the_best_are_kept_in_their_order(values: torch.Tensor, keep: int) -> None:
    places = best(values, keep).tolist()
    gone = [i for i in range(len(values)) if i not in places]
    assert places == sorted(places)
    assert len(places) == min(keep, len(values))
    assert all((values[i], -i) > (values[k], -k) for i in places for k in gone)


@given(st.lists(scores, min_size=1, max_size=4), st.integers(1, 3), st.data())
def test_one_ranking_keeps_exactly_as_many_and_the_least_of_each(several: list[torch.Tensor], least: int, data) -> None:
    by_layer = {str(i): values for i, values in enumerate(several)}
    floor, total = sum(min(least, len(v)) for v in several), sum(map(len, several))
    keep = data.draw(st.integers(floor, total))
    stay = {name: places.tolist() for name, places in best_of_all(by_layer, keep, least).items()}
    assert sum(map(len, stay.values())) == keep
    assert all(len(stay[name]) >= min(least, len(values)) for name, values in by_layer.items())
    free = {name: [i for i in places if len(places) > least] for name, places in stay.items()}
    lowest = min((float(by_layer[n][i]) for n, places in free.items() for i in places), default=float("inf"))
    lost = [float(v[i]) for n, v in by_layer.items() for i in range(len(v)) if i not in stay[n]]
    spare = [n for n, places in stay.items() if len(places) > least]
    if spare and len(spare) == len(by_layer):
        assert max(lost, default=-1.0) <= lowest
