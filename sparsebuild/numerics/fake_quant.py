"""Fake quantization: round to an integer grid in float, with a straight-through gradient.

The grid is ONNX's: `QuantizeLinear` computes saturate(round_half_to_even(x / scale) + zero_point), and so do we, with a
true division. (Multiplying by 1 / scale rounds some values to the neighbouring level.)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "ACTIVATION_LEVELS",
    "activation_parameters",
    "asymmetric_weight_parameters",
    "fake_quantize_activation",
    "fake_quantize_weight",
    "fixed_weight_parameters",
    "moving_average",
    "quantize_weight",
    "quantize_weight_asymmetric",
    "symmetric_activation_parameters",
    "weight_scale",
    "widened",
]

ACTIVATION_LEVELS = 255  # uint8: 0 … 255
_SMALLEST_WEIGHT_SCALE = 1e-12  # an all-zero channel still needs a scale
_SMALLEST_ACTIVATION_SCALE = 1e-8


def weight_scale(
    weight: Tensor,  # (out, in) of a Linear, or (rows, width) of an Embedding
    levels: int,  # largest integer, 63 for 7 bits or 127 for 8
    per_channel: bool,  # one scale per row, or one for all
) -> Tensor:  # (out, 1) or ()
    """The symmetric scale max|w| / levels: nothing clips, and 0 stays exactly 0.

    SparseML's is max|w| / (levels + 1/2), under which the largest weight may clip.
    """
    w = weight.detach()
    if per_channel:
        low, high = w.amin(1, keepdim=True), w.amax(1, keepdim=True)
    else:
        low, high = torch.aminmax(w)  # a fifteenth of the cost of abs().amax(), which writes a second table
    return (torch.maximum(-low, high) / levels).clamp_(min=_SMALLEST_WEIGHT_SCALE)


def quantize_weight(weight: Tensor, scale: Tensor, levels: int) -> Tensor:
    """The int8 weights of the grid, in the shape of `weight`; values lie in -levels … levels."""
    return torch.div(weight.detach(), scale).round_().clamp_(-levels, levels).to(torch.int8)


def asymmetric_weight_parameters(
    weight: Tensor,  # (out, in) of a Linear, or (rows, width) of an Embedding
    bits: int,  # 4 … 8
    per_channel: bool,
) -> tuple[Tensor, Tensor]:  # scale > 0 and zero point in -2^(bits-1) … 2^(bits-1) - 1, as float; (out, 1) or ()
    """scale = (max - min) / (2^bits - 1), zero point = lowest - round(min / scale); the range always holds 0.

    0 becomes the zero point and is exactly 0 again, so masks hold. torch's affine observers agree.
    """
    w = weight.detach()
    low, high = torch.aminmax(w, dim=1, keepdim=True) if per_channel else torch.aminmax(w)
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = ((high - low) / (2**bits - 1)).clamp_(min=_SMALLEST_WEIGHT_SCALE)
    lowest = -(2 ** (bits - 1))
    return scale, (lowest - (low / scale).round_()).clamp_(lowest, -lowest - 1)


def fixed_weight_parameters(weight: Tensor, scale: float, zero_point: int) -> tuple[Tensor, Tensor]:
    """A scale and a zero point that were given, both () on the weight's device."""
    return weight.new_tensor(scale), weight.new_tensor(float(zero_point))


def quantize_weight_asymmetric(weight: Tensor, scale: Tensor, zero_point: Tensor, bits: int) -> Tensor:
    """The int8 weights of an asymmetric grid, in -2^(bits-1) … 2^(bits-1) - 1."""
    lowest = -(2 ** (bits - 1))
    integers = torch.div(weight.detach(), scale).round_().add_(zero_point).clamp_(lowest, -lowest - 1)
    return integers.to(torch.int8)


def fake_quantize_weight(
    weight: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,  # of an asymmetric grid
    bits: int = 8,  # of an asymmetric grid
) -> Tensor:
    """`weight` on its grid. The gradient passes unchanged: where the range is the weight's own nothing is cut off."""
    quantized: Tensor = _RoundWeight.apply(weight, scale, zero_point, bits)  # type: ignore[no-untyped-call]
    return quantized


def activation_parameters(
    lowest: Tensor,  # () smallest value seen
    highest: Tensor,  # () largest value seen
    steps: int = ACTIVATION_LEVELS,  # 2^bits - 1
) -> tuple[Tensor, Tensor]:  # scale () > 0, zero point () in 0 … steps, as float
    """Asymmetric: scale = (max - min) / steps, zero point = round(-min / scale); the range always holds 0."""
    low, high = lowest.clamp(max=0), highest.clamp(min=0)
    scale = ((high - low) / steps).clamp(min=_SMALLEST_ACTIVATION_SCALE)
    return scale, (-low / scale).round().clamp(0, steps)


def symmetric_activation_parameters(
    lowest: Tensor,  # () smallest value seen
    highest: Tensor,  # () largest value seen
    steps: int = ACTIVATION_LEVELS,  # 2^bits - 1
) -> tuple[Tensor, Tensor]:  # scale () > 0, zero point () = (steps + 1) / 2, as float
    """scale = max|x| / (steps / 2), zero point in the middle (128 of 8 bits), as in SparseML.

    The same grid as signed integers around 0; the largest value clips by half a step.
    """
    scale = (torch.maximum(lowest.abs(), highest.abs()) / (steps / 2)).clamp(min=_SMALLEST_ACTIVATION_SCALE)
    return scale, torch.full_like(scale, (steps + 1) / 2)


def fake_quantize_activation(x: Tensor, scale: Tensor, zero_point: Tensor, steps: int = ACTIVATION_LEVELS) -> Tensor:
    """`x` on the grid 0 … steps, equal to ONNX's DequantizeLinear(QuantizeLinear(x)) to the bit where steps is 255.

    Of an `x` in bfloat16 the level is the one that float32 gives: the file computes in that. The result has x's dtype.
    The gradient passes where `x` is inside the range, and is 0 where it is clipped (straight-through estimator,
    Bengio 2013; clipping as in Jacob 2018).
    """
    quantized: Tensor = _RoundActivation.apply(x, scale, zero_point, steps)  # type: ignore[no-untyped-call]
    return quantized


def moving_average(running: Tensor, seen: Tensor, count: Tensor, momentum: float) -> None:
    """m ← m + momentum · (seen - m), in place; the first batch (`count` 0) is taken as it is."""
    running.copy_(torch.where(count == 0, seen, torch.lerp(running, seen, momentum)))


def widened(lowest: Tensor, highest: Tensor, low: Tensor, high: Tensor, count: Tensor) -> None:
    """Let a range take in `low` and `high`, in place; the first batch (`count` 0) is taken as it is."""
    lowest.copy_(torch.where(count == 0, low, torch.minimum(lowest, low)))
    highest.copy_(torch.where(count == 0, high, torch.maximum(highest, high)))


class _RoundWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor, zero_point: Tensor | None, bits: int) -> Tensor:
        level = torch.div(weight, scale).round_()
        if zero_point is not None:
            lowest = -(2 ** (bits - 1))
            level.add_(zero_point).clamp_(lowest, -lowest - 1).sub_(zero_point)
        return level.mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None, None, None


class _RoundActivation(torch.autograd.Function):
    """The levels are counted from the zero point, which saves adding it and taking it away again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, steps: int) -> Tensor:
        exact = torch.promote_types(x.dtype, scale.dtype)  # bfloat16 knows too few numbers between two levels
        level = torch.empty(x.shape, dtype=exact, device=x.device)
        torch.div(x.to(exact), scale, out=level).round_()  # laid out anew: products of heads need no copies after this
        ctx.has_ends = x.is_cpu and exact == torch.float32 and not torch.compiler.is_compiling()
        if ctx.has_ends:  # a number is at hand there without waiting, and kernels are several times faster with numbers
            lowest, highest = -float(zero_point), steps - float(zero_point)
            ctx.grid = scale.item(), lowest, highest
            ctx.save_for_backward(x)  # it is there in any case, and a level would be a tensor more
            return level.clamp_(lowest, highest).mul_(scale).to(x.dtype)
        clipped = level.clamp(-zero_point, steps - zero_point)
        ctx.save_for_backward(clipped == level)
        return clipped.mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (saved,) = ctx.saved_tensors
        if ctx.has_ends:
            scale, lowest, highest = ctx.grid
            ends = _first_clipped(scale, lowest, -1), _first_clipped(scale, highest, 1)
            return torch.ops.aten.hardtanh_backward(gradients[0], saved, *ends), None, None, None
        return gradients[0] * saved, None, None, None


def _first_clipped(scale: float, last: float, outward: int) -> float:
    """The float32 next after all whose level is `last`, upwards or downwards: where the gradient ends."""
    step = np.float32(scale)
    if not np.isfinite(step):
        return outward * math.inf
    x, beyond = np.float32(last + outward / 2) * step, np.float32(outward * math.inf)

    def is_clipped() -> bool:
        return bool((np.rint(x / step) - last) * outward > 0)

    while is_clipped():
        x = np.nextafter(x, -beyond)
    while not is_clipped():
        x = np.nextafter(x, beyond)
    return float(x)
