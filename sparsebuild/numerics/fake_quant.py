"""Fake quantization: round to an integer grid in float, with a straight-through gradient.

The grid is ONNX's: `QuantizeLinear` computes saturate(round_half_to_even(x / scale) + zero_point), and so do we, with a
true division. (Multiplying by 1 / scale rounds some values to the neighbouring level.)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = [
    "ACTIVATION_LEVELS",
    "activation_parameters",
    "fake_quantize_activation",
    "fake_quantize_weight",
    "moving_average",
    "quantize_weight",
    "weight_scale",
]

ACTIVATION_LEVELS = 255  # uint8: 0 … 255
_SMALLEST_WEIGHT_SCALE = 1e-12  # an all-zero channel still needs a scale
_SMALLEST_ACTIVATION_SCALE = 1e-8


def weight_scale(
    weight: Tensor,  # (out, in) of a Linear, or (rows, width) of an Embedding
    levels: int,  # largest integer, 63 for 7 bits or 127 for 8
    per_channel: bool,  # one scale per row, or one for all
) -> Tensor:  # (out, 1) or ()
    """The symmetric scale max|w| / levels: nothing clips, and 0 stays exactly 0."""
    magnitude = weight.detach().abs()
    largest = magnitude.amax(1, keepdim=True) if per_channel else magnitude.amax()
    return (largest / levels).clamp_(min=_SMALLEST_WEIGHT_SCALE)


def quantize_weight(weight: Tensor, scale: Tensor, levels: int) -> Tensor:
    """The int8 weights of the grid, in the shape of `weight`; values lie in -levels … levels."""
    return torch.div(weight.detach(), scale).round_().clamp_(-levels, levels).to(torch.int8)


def fake_quantize_weight(weight: Tensor, scale: Tensor) -> Tensor:
    """`weight` on its grid. The gradient passes unchanged, since with `weight_scale` nothing clips."""
    quantized: Tensor = _RoundWeight.apply(weight, scale)  # type: ignore[no-untyped-call]
    return quantized


def activation_parameters(
    lowest: Tensor,  # () smallest value seen
    highest: Tensor,  # () largest value seen
) -> tuple[Tensor, Tensor]:  # scale () > 0, zero point () in 0 … 255, as float
    """Asymmetric uint8: scale = (max - min) / 255, zero point = round(-min / scale); the range always holds 0."""
    low, high = lowest.clamp(max=0), highest.clamp(min=0)
    scale = ((high - low) / ACTIVATION_LEVELS).clamp(min=_SMALLEST_ACTIVATION_SCALE)
    return scale, (-low / scale).round().clamp(0, ACTIVATION_LEVELS)


def fake_quantize_activation(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """`x` on the uint8 grid, equal to ONNX's DequantizeLinear(QuantizeLinear(x)) to the bit.

    The gradient passes where `x` is inside the range, and is 0 where it is clipped (straight-through estimator,
    Bengio 2013; clipping as in Jacob 2018).
    """
    quantized: Tensor = _RoundActivation.apply(x, scale, zero_point)  # type: ignore[no-untyped-call]
    return quantized


def moving_average(running: Tensor, seen: Tensor, count: Tensor, momentum: float) -> None:
    """m ← m + momentum · (seen - m), in place; the first batch (`count` 0) is taken as it is."""
    running.copy_(torch.where(count == 0, seen, torch.lerp(running, seen, momentum)))


class _RoundWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor) -> Tensor:
        return torch.div(weight, scale).round_().mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None


class _RoundActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        level = torch.div(x, scale).round_().add_(zero_point)
        clipped = level.clamp(0, ACTIVATION_LEVELS)
        ctx.save_for_backward(clipped == level)
        return clipped.sub_(zero_point).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None
