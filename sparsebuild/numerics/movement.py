"""How far training moves weights towards zero, or away from it."""

from __future__ import annotations

from torch import Tensor

__all__ = ["add_movement"]

_RATE = 0.01  # SparseML's; it scales all scores alike


def add_movement(
    scores: Tensor,  # any shape; changed in place
    weight: Tensor,  # the same shape
    gradient: Tensor,  # the same shape
) -> None:
    """scores ← scores - 0.01 · gradient · weight: high where a step of descent moves a weight away from zero.

    Sanh 2020 (movement pruning), §4. A gradient that is no number, as a step of fp16 may have that the optimizer then
    leaves out, adds nothing.
    """
    scores.addcmul_(gradient.nan_to_num(0.0, 0.0, 0.0), weight, value=-_RATE)
