"""Which weights to keep: masks of an exact size from scores, and the diagonal Fisher score.

A mask is 1 where a weight stays and 0 where it goes, in the dtype and shape of the scores. Sizes are exact: scores that
tie at the threshold are taken in the order in which they lie in memory, the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from sparsebuild.numerics.sparsity_schedule import promised_zeros

__all__ = ["capped_masks", "fisher_scores", "global_masks", "magnitude_mask", "smallest_mask"]


def magnitude_mask(
    scores: Tensor,  # any shape; |w|, and -1 where a weight has already gone
    sparsity: float,  # 0 … 1
) -> Tensor:  # the shape of `scores`
    """Zeros on the round(sparsity · N) smallest scores (Python's rounding: half to even), as in SparseML."""
    return smallest_mask(scores, round(sparsity * scores.numel()))


def smallest_mask(scores: Tensor, count: int) -> Tensor:
    """Zeros on exactly the `count` smallest scores; of equal ones those that come first."""
    flat = scores.flatten()
    if count <= 0:
        return torch.ones_like(scores)
    threshold = _kth_smallest(flat, count)
    kept = flat > threshold
    spare = int(kept.numel() - kept.sum()) - count
    if spare > 0:  # ties: the last `spare` of them stay
        kept[(flat == threshold).nonzero().flatten()[-spare:]] = True
    return kept.to(scores.dtype).view_as(scores)


def global_masks(scores: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Zeros on the round(sparsity · N) smallest of all scores together; one threshold, any share per tensor."""
    total = sum(s.numel() for s in scores.values())
    counts = _counts({n: s.flatten() for n, s in scores.items()}, round(sparsity * total))
    return {name: smallest_mask(s, counts[name]) for name, s in scores.items()}


def fisher_scores(
    weight: Tensor,  # any shape
    exp_avg_sq: Tensor,  # the same shape: Adam's running mean of the squared gradient
) -> Tensor:  # the same shape, ≥ 0
    """w² · E[g²]: what the loss loses with a weight, to second order, if the Fisher matrix is taken as diagonal.

    LeCun 1990 (optimal brain damage) with Adam's state in place of the Hessian: no extra pass over the data.
    """
    return weight.detach().square() * exp_avg_sq


def capped_masks(
    scores: Mapping[str, Tensor],  # any shapes; -1 where a weight has already gone
    sparsity: float,  # 0 … 1, below `cap`
    cap: float,  # the largest share that one tensor may lose
) -> dict[str, Tensor]:
    """Zeros on the ceil(sparsity · N) globally smallest scores, where no tensor loses more than floor(cap · size).

    Water-filling: tensors that would lose more are fixed at the cap, and the others share what is left; again, until
    none is over. Raises ValueError if the caps leave too little room.
    """
    free = {name: s.flatten() for name, s in scores.items()}
    budget = promised_zeros(sparsity, sum(s.numel() for s in free.values()))
    most = {name: math.floor(cap * s.numel()) for name, s in free.items()}
    if budget > sum(most.values()):
        raise ValueError(f"a sparsity of {sparsity} does not fit under a cap of {cap} per tensor")
    quota: dict[str, int] = {}
    while free:
        counts = _counts(free, budget - sum(quota.values()))
        over = {name: most[name] for name, count in counts.items() if count > most[name]}
        quota |= over or counts
        free = {name: s for name, s in free.items() if name not in quota}
    return {name: smallest_mask(s, quota[name]) for name, s in scores.items()}


def _counts(scores: Mapping[str, Tensor], count: int) -> dict[str, int]:
    """How many of the `count` smallest of all scores lie in each tensor; ties go to the tensors that come first."""
    if count <= 0:
        return dict.fromkeys(scores, 0)
    threshold = _kth_smallest(torch.cat(list(scores.values())), count)
    below = {name: int((s < threshold).sum()) for name, s in scores.items()}
    left = count - sum(below.values())
    for name, s in scores.items():
        if left == 0:
            break
        ties = min(left, int((s == threshold).sum()))
        below[name] += ties
        left -= ties
    return below


def _kth_smallest(values: Tensor, k: int) -> Tensor:
    """The k-th smallest of a flat tensor, from 1. On a GPU by sorting: kthvalue is not deterministic there."""
    if values.is_cuda:
        return values.sort().values[k - 1]
    return values.kthvalue(k).values
