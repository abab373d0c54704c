"""The second-order maths of OBSPruningModifier: a Fisher matrix in blocks, and what it says of removing weights.

F = damp · I + 1/m · Σ g gᵀ over m gradients, of which only blocks of B weights along the diagonal are looked at
(Kurtic 2022, the Optimal BERT Surgeon). Weights are blocked as they lie in memory; the last block is filled up with
zeros.

The paper and SparseML keep F⁻¹ and give it one gradient after another by Woodbury's identity, which moves all d · B
numbers through memory m times. Of m ≥ B gradients we sum a few at a time and invert each block once at the end: the
same matrix, with memory passed m / 16 times, and in float32 nearer to the exact one. Of fewer, whose sum is singular
but for damp, we keep all and apply the identity once, in blocks of m.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["BlockFisher", "four_obs_scores", "four_obs_update", "obs_scores", "obs_update"]

_AT_ONCE = 16  # gradients that are summed together
_INVERTED = 4096  # blocks that are inverted together, in float64
_EPSILON = torch.finfo(torch.float32).eps


class BlockFisher:
    """The blocks of one parameter: `count` gradients go in, then the inverse comes out, once."""

    def __init__(self, weight: Tensor, *, block: int, damp: float, count: int) -> None:
        self.size, self.block, self.damp, self.count = weight.numel(), block, damp, count
        self.blocks = -(-self.size // block)
        self.is_summed = count >= block
        self.sums = weight.new_zeros(self.blocks if self.is_summed else 0, block, block)  # Σ g gᵀ / m
        self.waiting = weight.new_zeros(_AT_ONCE if self.is_summed else count, self.blocks * block)
        self.filled = 0

    def add(self, gradient: Tensor) -> None:
        """Count one gradient, of the weight's shape."""
        self.waiting[self.filled, : self.size] = gradient.flatten()
        self.filled += 1
        if self.is_summed and self.filled == _AT_ONCE:
            self._sum()

    def inverse(self) -> Tensor:  # (blocks, B, B)
        """F⁻¹, in the memory of the sums. Float64 within: the smallest eigenvalue is `damp`, far below the largest."""
        invert: Callable[[Tensor, float], Tensor]
        if self.is_summed:
            self._sum()
            found, given, invert = self.sums, self.sums, _inverse
        else:
            found = self.waiting.new_empty(self.blocks, self.block, self.block)
            given, invert = self._blocked(self.count), _inverse_by_woodbury
        with _one_thread():
            for start in range(0, self.blocks, _INVERTED):
                part = slice(start, start + _INVERTED)
                found[part] = invert(given[part].double(), self.damp)
        return found

    def _sum(self) -> None:
        """Σ += Gᵀ G / m, block by block."""
        if self.filled:
            rows = self._blocked(self.filled)
            self.sums.baddbmm_(rows.transpose(1, 2), rows, alpha=1 / self.count)
            self.filled = 0

    def _blocked(self, count: int) -> Tensor:  # (blocks, count, B)
        return self.waiting[:count].view(count, -1, self.block).transpose(0, 1)


def obs_scores(
    weight: Tensor,  # any shape
    inverse: Tensor,  # (blocks, B, B) F⁻¹
) -> Tensor:  # the shape of `weight`, ≥ 0
    """w² / (2 · diag F⁻¹): what the loss loses, to second order, if a weight goes and the others make up for it."""
    diagonal = _diagonal(inverse, weight)
    return weight.detach().square() / (2 * diagonal + _EPSILON)


def obs_update(
    weight: Tensor,  # any shape
    inverse: Tensor,  # (blocks, B, B) F⁻¹
    gone: Tensor,  # bool, the shape of `weight`: what goes now
) -> Tensor:  # the shape of `weight`
    """What the weights become: w - F⁻¹ · (w_gone / diag F⁻¹), and zero where they go.

    Each weight that goes is made up for by itself; that others go beside it is not looked at.
    """
    share = weight.detach() * gone / (_diagonal(inverse, weight) + _EPSILON)
    return (weight.detach() - _times(inverse, share)).masked_fill(gone, 0.0)


def four_obs_scores(
    weight: Tensor,  # (out, in), `in` a multiple of 4
    inverse: Tensor,  # (blocks, B, B), B a multiple of 4
) -> Tensor:  # (out, in) the same for the four of a block
    """½ wᵀ (F⁻¹ of the four)⁻¹ w: as `obs_scores`, of four neighbours that go together."""
    fours = weight.detach().reshape(-1, 4)
    scores = 0.5 * (fours * _solved(fours, inverse)).sum(1)
    return scores.repeat_interleave(4).view_as(weight)


def four_obs_update(
    weight: Tensor,  # (out, in), `in` a multiple of 4
    inverse: Tensor,  # (blocks, B, B), B a multiple of 4
    gone: Tensor,  # (out, in) bool: what goes now, in whole fours
) -> Tensor:  # (out, in)
    """As `obs_update`, of fours: w - F⁻¹ · (F⁻¹ of the four)⁻¹ w_gone."""
    share = _solved(weight.detach().reshape(-1, 4), inverse).reshape(weight.shape) * gone
    return (weight.detach() - _times(inverse, share)).masked_fill(gone, 0.0)


# ---- inside


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices so small are one call each; to wake another thread for every call takes many times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _inverse(sums: Tensor, damp: float) -> Tensor:
    """(damp · I + sums)⁻¹, symmetric positive definite; where rounding of the sums made it less, by its eigenvalues."""
    sums.diagonal(dim1=1, dim2=2).add_(damp)
    factor, failed = torch.linalg.cholesky_ex(sums)
    found = torch.cholesky_inverse(factor)
    if bool(failed.any()):
        values, vectors = torch.linalg.eigh(sums[failed > 0])
        found[failed > 0] = (vectors / values.clamp(min=damp)[:, None]) @ vectors.transpose(1, 2)
    return found


def _inverse_by_woodbury(
    rows: Tensor,  # (blocks, m, B) gradients
    damp: float,
) -> Tensor:  # (blocks, B, B)
    """(damp · I + Gᵀ G / m)⁻¹ = (I - Gᵀ (m · damp · I + G Gᵀ)⁻¹ G) / damp."""
    inner = rows @ rows.transpose(1, 2)
    inner.diagonal(dim1=1, dim2=2).add_(rows.size(1) * damp)
    identity = torch.eye(rows.size(2), dtype=rows.dtype, device=rows.device)
    solved: Tensor = torch.linalg.solve(inner, rows)
    return (identity - rows.transpose(1, 2) @ solved) / damp


def _diagonal(inverse: Tensor, like: Tensor) -> Tensor:
    return inverse.diagonal(dim1=1, dim2=2).flatten()[: like.numel()].view_as(like)


def _times(inverse: Tensor, vector: Tensor) -> Tensor:
    """F⁻¹ v, in the shape of `vector`."""
    block = inverse.size(-1)
    filled = vector.new_zeros(len(inverse) * block)
    filled[: vector.numel()] = vector.flatten()
    return torch.bmm(inverse, filled.view(-1, block, 1)).flatten()[: vector.numel()].view_as(vector)


def _solved(
    fours: Tensor,  # (n, 4)
    inverse: Tensor,  # (blocks, B, B)
) -> Tensor:  # (n, 4)
    """(F⁻¹ of each four)⁻¹ · its weights."""
    count = inverse.size(-1) // 4
    corners = inverse.view(len(inverse), count, 4, count, 4).diagonal(dim1=1, dim2=3)  # (blocks, 4, 4, fours)
    corners = corners.permute(0, 3, 1, 2).reshape(-1, 4, 4)[: len(fours)]
    solved: Tensor = torch.linalg.solve(corners, fours)
    return solved
