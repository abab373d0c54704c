"""Laws of masks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.modifiers.held_masks import HeldMasks
from sparsebuild.numerics.masks import capped_masks, magnitude_mask, smallest_masks
from sparsebuild.numerics.sparsity_schedule import promised_zeros

SHARES = st.floats(0, 1).map(lambda x: round(x, 3))
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)
SEEDS = st.integers(0, 1000)
TIES = st.integers(1, 6)  # different values: few make many ties


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def scores_of(sizes: list[int], seed: int, values: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return {f"{i}": torch.randint(0, values, (n,), generator=draw).float() for i, n in enumerate(sizes)}


def zeros(mask: torch.Tensor) -> int:
    return int((mask == 0).sum())


@given(st.integers(1, 60), SEEDS, TIES, SHARES)
def test_a_mask_has_exactly_its_zeros_and_they_are_the_smallest(size, seed, values, sparsity) -> None:
    scores = scores_of([size], seed, values)["0"]
    mask = magnitude_mask(scores, sparsity)
    assert zeros(mask) == round(sparsity * size)
    if 0 < zeros(mask) < size:
        assert float(scores[mask == 0].max()) <= float(scores[mask == 1].min())


@given(SIZES, SEEDS, TIES, SHARES)
def test_global_masks_are_exact_and_have_one_threshold(sizes, seed, values, sparsity) -> None:
    scores = scores_of(sizes, seed, values)
    masks = smallest_masks(scores, round(sparsity * sum(sizes)))
    together, kept = torch.cat(list(scores.values())), torch.cat(list(masks.values()))
    assert zeros(kept) == round(sparsity * sum(sizes))
    if 0 < zeros(kept) < sum(sizes):
        assert float(together[kept == 0].max()) <= float(together[kept == 1].min())


@given(SIZES, SEEDS, TIES, SHARES, st.floats(0.1, 1))
def test_capped_masks_are_exact_and_below_the_cap_or_refused(sizes, seed, values, sparsity, cap) -> None:
    scores, budget = scores_of(sizes, seed, values), promised_zeros(sparsity, sum(sizes))
    if budget > sum(int(cap * n) for n in sizes):
        with pytest.raises(ValueError, match="does not fit"):
            capped_masks(scores, sparsity, cap)
        return
    masks = capped_masks(scores, sparsity, cap)
    assert sum(zeros(m) for m in masks.values()) == budget
    assert all(zeros(m) <= int(cap * m.numel()) for m in masks.values())


@settings(max_examples=50)
@given(SIZES, SEEDS, TIES, st.lists(SHARES, min_size=2, max_size=6).map(sorted))
def test_masks_only_grow_and_stay_exact(sizes, seed, values, levels) -> None:
    """Each event ranks anew, with other scores; what has gone stays gone."""
    held = HeldMasks({n: torch.nn.Parameter(s + 1) for n, s in scores_of(sizes, seed, values).items()})
    before = {n: torch.ones(w.shape) for n, w in held.weights.items()}
    for i, level in enumerate(levels):
        scores = scores_of(sizes, seed + i, values)
        left = {n: held.without_held(n, s) for n, s in scores.items()}
        held.grow(smallest_masks(left, round(level * sum(sizes))))
        now = {n: held.masks.get(n, torch.ones(s.shape)) for n, s in scores.items()}
        assert all(bool((now[n] <= before[n]).all()) for n in now)
        assert held.zeros == round(level * sum(sizes)) == sum(zeros(w.detach()) for w in held.weights.values())
        before = now


@given(SIZES, SEEDS, SHARES)
def test_a_mask_survives_a_checkpoint(sizes, seed, sparsity) -> None:
    weights = {n: torch.nn.Parameter(s + 1) for n, s in scores_of(sizes, seed, 1000).items()}
    held, again = HeldMasks(weights), HeldMasks(weights)
    held.grow({n: magnitude_mask(w.detach(), sparsity) for n, w in weights.items()})
    again.restore(held.state())
    assert again.masks.keys() == held.masks.keys()
    assert again.zeros == held.zeros
    assert all(torch.equal(again.masks[n], held.masks[n]) for n in held.masks)
