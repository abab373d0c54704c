"""Which weights to keep."""

from __future__ import annotations

import math

import pytest
import torch

from sparsebuild.numerics.masks import capped_masks, fisher_scores, magnitude_mask, smallest_masks


def test_the_smallest_go() -> None:
    scores = torch.tensor([[0.5, 0.1], [0.3, 0.2]])
    assert magnitude_mask(scores, 0.5).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(("sparsity", "zeros"), [(-0.5, 0), (0.0, 0), (0.1, 0), (0.3, 2), (0.5, 2), (0.7, 4), (1.0, 5)])
def test_the_number_of_zeros_is_rounded_half_to_even(sparsity: float, zeros: int) -> None:
    assert int((magnitude_mask(torch.rand(5), sparsity) == 0).sum()) == zeros


def test_of_equal_scores_the_first_stay() -> None:
    assert magnitude_mask(torch.tensor([2.0, 1, 3, 3, 3, 4]), 0.5).int().tolist() == [0, 0, 1, 1, 0, 1]
    masks = smallest_masks({"a": torch.tensor([0.0, 3, 3]), "b": torch.tensor([3.0, 3, 4])}, 3)
    assert {n: m.int().tolist() for n, m in masks.items()} == {"a": [0, 1, 1], "b": [0, 0, 1]}


def test_of_the_lowest_scores_some_are_drawn_the_same_each_time() -> None:
    """Not the first ones: they would all lie in the first rows."""
    zeros = torch.zeros(1000)
    mask = magnitude_mask(zeros, 0.5)
    assert int((~mask[:500]).sum()) == pytest.approx(250, abs=50)
    assert int((~mask).sum()) == 500
    assert torch.equal(mask, magnitude_mask(zeros, 0.5))


def test_what_has_gone_does_not_count_as_the_lowest_score() -> None:
    scores = torch.tensor([-math.inf, -math.inf, 5.0, 5, 5, 5])
    assert int(smallest_masks({"": scores}, 4)[""][2:].sum()) == 2
    assert smallest_masks({"": scores}, 2)[""].int().tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("values", [3, 50, 10**6])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.8, 0.999])
def test_a_sample_finds_the_threshold_that_sorting_finds(values: int, share: float) -> None:
    draw = torch.Generator().manual_seed(values)
    parts = [torch.randint(0, values, (n,), generator=draw).float() for n in (20_000, 3, 70_000, 1)]
    sizes = sum(p.numel() for p in parts)
    masks = smallest_masks(dict(zip("abcd", parts, strict=True)), round(share * sizes))
    gone, kept = (torch.cat([p[m == keep] for p, m in zip(parts, masks.values(), strict=True)]) for keep in (0, 1))
    assert gone.numel() == round(share * sizes)
    assert float(gone.max()) <= float(kept.min())


def test_a_sample_that_misleads_costs_time_and_nothing_else() -> None:
    """Every score that is looked at first is large."""
    scores = torch.arange(1000.0)
    step = round(1000 ** (1 / 3)) | 1
    scores[::step] += 10_000
    mask = smallest_masks({"": scores}, 300)[""]
    assert int((~mask).sum()) == 300
    assert float(scores[~mask].max()) < float(scores[mask].min())


def test_one_threshold_for_all() -> None:
    scores = {"a": torch.tensor([1.0, 2, 3, 4]), "b": torch.tensor([[10.0, 20], [0.5, 30]])}
    masks = smallest_masks(scores, 4)
    assert {n: m.tolist() for n, m in masks.items()} == {"a": [0, 0, 0, 1], "b": [[1, 1], [0, 1]]}


def test_fisher_scores_are_squares_times_squares() -> None:
    weight = torch.nn.Parameter(torch.tensor([-2.0, 3.0]))
    assert fisher_scores(weight, torch.tensor([0.25, 1.0])).tolist() == [1.0, 9.0]


def test_a_tensor_at_the_cap_passes_the_rest_on() -> None:
    scores = {"a": torch.arange(10.0), "b": torch.arange(100.0, 110.0), "c": torch.arange(1000.0, 1010.0)}
    zeros = {n: int((m == 0).sum()) for n, m in capped_masks(scores, 0.5, 0.8).items()}
    assert zeros == {"a": 8, "b": 7, "c": 0}


def test_several_rounds_fill_up_to_the_cap() -> None:
    scores = {"a": torch.arange(10.0), "b": torch.arange(100.0, 110.0), "c": torch.arange(1000.0, 1010.0)}
    zeros = {n: int((m == 0).sum()) for n, m in capped_masks(scores, 0.7, 0.8).items()}
    assert zeros == {"a": 8, "b": 8, "c": 5}


def test_caps_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a sparsity of 0.79 does not fit under a cap of 0.8 per tensor"):
        capped_masks({str(i): torch.rand(6) for i in range(8)}, 0.79, 0.8)


def test_the_ranking_is_the_one_of_the_paper_trail() -> None:
    """Against the formula as it was measured, which has no care for ties."""
    generator = torch.Generator().manual_seed(3)
    scores = {str(i): torch.rand(50 + 30 * i, generator=generator) * 4.0**i for i in range(5)}
    budget, quota, free = math.ceil(sum(s.numel() for s in scores.values()) * 0.6), {}, dict(scores)
    while True:
        threshold = torch.cat(list(free.values())).kthvalue(budget - sum(quota.values())).values
        count = {n: int((s <= threshold).sum()) for n, s in free.items()}
        over = {n: int(0.9 * s.numel()) for n, s in free.items() if count[n] > int(0.9 * s.numel())}
        quota.update(over or count)
        if not over:
            break
        free = {n: s for n, s in free.items() if n not in over}
    wanted = {n: s > (s.kthvalue(quota[n]).values if quota[n] else -1.0) for n, s in scores.items()}
    found = capped_masks(scores, 0.6, 0.9)
    assert all(torch.equal(found[n], wanted[n]) for n in scores)
