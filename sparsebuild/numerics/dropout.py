"""Dropout whose draws are cheap on a CPU: sixteen bits for each value instead of a number of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["dropout"]

_DRAWS = 1 << 16  # what sixteen bits can say
_IN_A_WORD = 4  # draws that one number of the generator holds


def dropout(
    x: Tensor,
    probability: float,  # 0 … 1, exclusive; taken to the nearest 1/65,536
) -> Tensor:
    """`x` with each value zero by `probability`, the others over the share that stays, so that the mean is x's.

    Srivastava 2014, scaled in training. The draws come from torch's own generator of the CPU. Kept for the gradient are
    two bytes a value.
    """
    dropped: Tensor = _Dropout.apply(x, round(probability * _DRAWS))  # type: ignore[no-untyped-call]
    return dropped


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gone: int) -> Tensor:
        words = torch.empty(-(-x.numel() // _IN_A_WORD), dtype=torch.int64).random_(-(2**63), None)
        draws = words.view(torch.int16)[: x.numel()].view(x.shape)
        ctx.gone = gone
        ctx.save_for_backward(draws)
        return _without(x, draws, gone)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (draws,) = ctx.saved_tensors
        return _without(gradients[0], draws, ctx.gone), None


def _without(x: Tensor, draws: Tensor, gone: int) -> Tensor:
    """`x` where the draw is not among the lowest `gone` ones."""
    # As a factor of x's own type: to multiply by a bool takes thirty times as long.
    stays = torch.ge(draws, gone - _DRAWS // 2, out=torch.empty(x.shape, dtype=x.dtype))
    return stays.mul_(x).mul_(_DRAWS / (_DRAWS - gone))
