"""Which weights to keep: masks of an exact size from scores, over single weights, blocks, or N of every M.

A mask is True where a weight stays, in the shape of the scores; a score of -inf is a weight that has gone already.
Sizes are exact. Of equal scores at the threshold the first in memory stay, and where these are the lowest there are
(weights that are zero), those that go are drawn with a fixed seed, as in SparseML: to take the first would empty the
first rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sparsebuild.numerics.sparsity_schedule import promised_zeros

__all__ = [
    "block_mask",
    "block_scores",
    "capped_masks",
    "fisher_scores",
    "four_mask",
    "four_scores",
    "group_candidates",
    "magnitude_mask",
    "smallest_masks",
]

_SEED = 42


def smallest_masks(
    scores: Mapping[str, Tensor],  # any shapes
    count: int,
) -> dict[str, Tensor]:  # bool, the shapes of `scores`
    """False on exactly the `count` smallest of all scores together: one threshold, any share per tensor."""
    if count <= 0:
        return {name: torch.ones_like(s, dtype=torch.bool) for name, s in scores.items()}
    flat = [s.flatten() for s in scores.values()]
    threshold = _kth_smallest(flat, count)
    kept = [s > threshold for s in flat]
    spare = sum(k.numel() - int(k.count_nonzero()) for k in kept) - count
    if spare > 0:
        _keep_ties(kept, flat, threshold, spare)
    return {name: k.view_as(s) for k, (name, s) in zip(kept, scores.items(), strict=True)}


def magnitude_mask(
    scores: Tensor,  # any shape
    sparsity: float,  # 0 … 1
) -> Tensor:  # bool, the shape of `scores`
    """False on the round(sparsity · N) smallest scores (Python's rounding: half to even), as in SparseML."""
    return smallest_masks({"": scores}, round(sparsity * scores.numel()))[""]


def capped_masks(
    scores: Mapping[str, Tensor],  # any shapes
    sparsity: float,  # 0 … 1, below `cap`
    cap: float,  # the largest share that one tensor may lose
) -> dict[str, Tensor]:  # bool
    """False on the ceil(sparsity · N) globally smallest scores, where no tensor loses more than floor(cap · size).

    Water-filling: tensors that would lose more are fixed at the cap, and the others share what is left; again, until
    none is over. Raises ValueError if the caps leave too little room.
    """
    left = promised_zeros(sparsity, sum(s.numel() for s in scores.values()))
    most = {name: math.floor(cap * s.numel()) for name, s in scores.items()}
    if left > sum(most.values()):
        raise ValueError(f"a sparsity of {sparsity} does not fit under a cap of {cap} per tensor")
    free, masks = dict(scores), dict[str, Tensor]()
    while free:
        found = smallest_masks(free, left)
        over = [name for name, m in found.items() if m.numel() - int(m.count_nonzero()) > most[name]]
        for name in over or free:
            masks[name] = smallest_masks({name: free[name]}, most[name])[name] if over else found[name]
        left -= sum(most[name] for name in over)
        free = {name: s for name, s in free.items() if name not in masks}
    return {name: masks[name] for name in scores}


def fisher_scores(
    weight: Tensor,  # any shape
    exp_avg_sq: Tensor,  # the same shape: Adam's running mean of the squared gradient
) -> Tensor:  # the same shape, ≥ 0
    """w² · E[g²]: what the loss loses with a weight, to second order, if the Fisher matrix is taken as diagonal.

    LeCun 1990 (optimal brain damage) with Adam's state in place of the Hessian: no extra pass over the data.
    """
    return weight.detach().square() * exp_avg_sq


# ---- blocks: what goes together has one score, the mean


def block_scores(
    scores: Tensor,  # (out, in, …)
    block: tuple[int, int],  # rows and columns; -1: all of them; both divide the shape
) -> Tensor:  # (blocks, rest) mean score of each block
    """One score for each block, laid out as SparseML lays them out.

    `(rows, 1)` is a tile of so many rows in one column. With more than one column it is rows · columns weights that are
    neighbours in memory: `(1, 4)` is four in a row, but `(4, 4)` is sixteen in a row and no tile.
    """
    return scores.reshape(_block_shape(scores.shape, block)).mean(1)


def block_mask(
    mask: Tensor,  # (blocks, rest) bool
    shape: Sequence[int],  # of the weight
    block: tuple[int, int],
) -> Tensor:  # (out, in, …) bool
    """The mask of the weights, from the one of `block_scores`."""
    return mask[:, None].expand(_block_shape(shape, block)).reshape(tuple(shape))


def four_scores(
    scores: Tensor,  # (out, in, …) or (n,)
) -> Tensor:  # (…, ceil(in / 4))
    """The mean of every four neighbours among a row's inputs; the last ones of a row may be fewer."""
    rows = scores.movedim(1, -1) if scores.ndim > 2 else scores
    whole = rows.size(-1) // 4 * 4
    fours = rows[..., :whole].reshape(*rows.shape[:-1], -1, 4).mean(-1)
    return fours if whole == rows.size(-1) else torch.cat([fours, rows[..., whole:].mean(-1, keepdim=True)], -1)


def four_mask(
    mask: Tensor,  # (…, ceil(in / 4)) bool
    shape: Sequence[int],  # of the weight
) -> Tensor:  # (out, in, …) bool
    """The mask of the weights, from the one of `four_scores`."""
    inputs = shape[1] if len(shape) > 1 else shape[0]
    wide = mask.repeat_interleave(4, dim=-1)[..., :inputs]
    return (wide.movedim(-1, 1) if len(shape) > 2 else wide).contiguous()


# ---- N of every M


def group_candidates(
    scores: Tensor,  # (out, in, …), `in` a multiple of `size`
    keep: int,  # N: how many of a group stay in the end
    size: int,  # M: neighbours among a row's inputs
) -> Tensor:  # the shape of `scores`
    """The scores, and +inf on the `keep` largest of each group: those never go.

    To take the smallest of what is left makes a mask that is N:M at a sparsity of 1 - N/M, and at less is on the way
    there, as far as its size says. Of equal scores in a group the first can go.
    """
    rows = scores.movedim(1, -1) if scores.ndim > 2 else scores
    columns = rows.reshape(*rows.shape[:-1], -1, size).unbind(-1)
    ranks = [torch.zeros_like(c, dtype=torch.int16) for c in columns]  # from 0, the smallest
    for i in range(size):
        for j in range(i + 1, size):
            is_later_less = columns[j] < columns[i]
            ranks[i] += is_later_less
            ranks[j] += ~is_later_less
    stays = torch.stack([rank >= size - keep for rank in ranks], -1).flatten(-2)
    found = rows.masked_fill(stays, math.inf)
    return (found.movedim(-1, 1) if scores.ndim > 2 else found).contiguous()


# ---- inside


def _block_shape(shape: Sequence[int], block: tuple[int, int]) -> tuple[int, int, int]:
    """(blocks, weights of a block, rest)"""
    rows, columns = (n if b == -1 else b for b, n in zip(block, shape[:2], strict=True))
    rest = math.prod(shape[2:])
    if columns > 1:
        return shape[0] * shape[1] // (rows * columns), rows * columns, rest
    return shape[0] // rows, rows, shape[1] * rest


def _kth_smallest(scores: Sequence[Tensor], k: int) -> Tensor:
    """The k-th smallest of all flat `scores` together, from 1.

    A sorted sample says between which two values it must lie; only what lies there is ranked. Most of an event's time
    would go into ranking everything, and into copying it into one piece.
    """
    low, high = _bounds(scores, k)
    at_most_low = sum(int((s <= low).count_nonzero()) for s in scores)
    if k <= at_most_low:
        below = sum(int((s < low).count_nonzero()) for s in scores)
        return low if k > below else _kth_of_all(torch.cat(list(scores)), k)
    between = torch.cat([s[(s > low) & (s < high)] for s in scores])
    if k <= at_most_low + between.numel():
        return _kth_of_all(between, k - at_most_low)
    at_most_high = sum(int((s <= high).count_nonzero()) for s in scores)
    return high if k <= at_most_high else _kth_of_all(torch.cat(list(scores)), k)


def _bounds(scores: Sequence[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Two values between which the k-th smallest is almost surely: within four standard deviations of the sample."""
    total = sum(s.numel() for s in scores)
    step = round(total ** (1 / 3)) | 1  # odd, so that it does not always meet the same columns
    sample = torch.cat([s[::step] for s in scores]).sort().values
    size, place = sample.numel(), k / total * sample.numel()
    margin = 4 * math.sqrt(place * (1 - k / total)) + 2
    low, high = int(place - margin), int(place + margin)
    return sample[min(max(low, 0), size - 1)], sample[min(high, size - 1)]


def _kth_of_all(values: Tensor, k: int) -> Tensor:
    """By sorting on a GPU: kthvalue is not deterministic there."""
    if values.is_cuda:
        return values.sort().values[k - 1]
    return values.kthvalue(k).values


def _keep_ties(kept: Sequence[Tensor], scores: Sequence[Tensor], threshold: Tensor, spare: int) -> None:
    """Keep `spare` of the scores that are equal to the threshold."""
    places = [(s == threshold).nonzero().flatten() for s in scores]
    sizes = [p.numel() for p in places]
    stays = torch.zeros(sum(sizes), dtype=torch.bool)
    if any(bool(((s < threshold) & (s > -math.inf)).any()) for s in scores):
        stays[:spare] = True
    else:
        stays[torch.randperm(sum(sizes), generator=torch.Generator().manual_seed(_SEED))[:spare]] = True
    for k, place, stay in zip(kept, places, torch.split(stays, sizes), strict=True):
        k[place[stay.to(place.device)]] = True
