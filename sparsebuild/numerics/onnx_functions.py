"""Functions that trace to ONNX's integer operators.

In torch they only give results of the right shape and type: the exporter records what `symbolic` says, and ONNX
Runtime computes it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["dequantize", "gather", "round_trip"]


def round_trip(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """DequantizeLinear(QuantizeLinear(x)); the type of `zero_point` is the integers'."""
    rounded: Tensor = _RoundTrip.apply(x, scale, zero_point)  # type: ignore[no-untyped-call]
    return rounded


def dequantize(integers: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None = None) -> Tensor:
    """DequantizeLinear: (integers - zero_point) · scale, per tensor, or along `axis`."""
    values: Tensor = _Dequantize.apply(integers, scale, zero_point, axis)  # type: ignore[no-untyped-call]
    return values


def gather(table: Tensor, ids: Tensor) -> Tensor:
    """Gather of rows, on integers."""
    rows: Tensor = _Gather.apply(table, ids)  # type: ignore[no-untyped-call]
    return rows


class _RoundTrip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def symbolic(g: Any, x: Any, scale: Any, zero_point: Any) -> Any:
        return g.op("DequantizeLinear", g.op("QuantizeLinear", x, scale, zero_point), scale, zero_point)


class _Dequantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, integers: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None) -> Tensor:
        return integers.float()

    @staticmethod
    def symbolic(g: Any, integers: Any, scale: Any, zero_point: Any, axis: int | None) -> Any:
        attributes = {} if axis is None else {"axis_i": axis}
        return g.op("DequantizeLinear", integers, scale, zero_point, **attributes)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor) -> Tensor:
        return table[ids]

    @staticmethod
    def symbolic(g: Any, table: Any, ids: Any) -> Any:
        return g.op("Gather", table, ids)
