"""Functions that trace to ONNX's integer operators.

In torch they only give results of the right shape and type: the exporter records operators (the older one what
`symbolic` says, the newer one those of `torch.onnx.ops`), and ONNX Runtime computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["dequantize", "gather", "round_trip"]


def round_trip(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """DequantizeLinear(QuantizeLinear(x)); the type of `zero_point` is the integers'."""
    if torch.compiler.is_exporting():
        levels = _operator("QuantizeLinear", (x, scale, zero_point), zero_point.dtype, x.shape)
        return _operator("DequantizeLinear", (levels, scale, zero_point), torch.float32, x.shape)
    rounded: Tensor = _RoundTrip.apply(x, scale, zero_point)  # type: ignore[no-untyped-call]
    return rounded


def dequantize(integers: Tensor, scale: Tensor, zero_point: Tensor, axis: int | None = None) -> Tensor:
    """DequantizeLinear: (integers - zero_point) · scale, per tensor, or along `axis`."""
    if torch.compiler.is_exporting():
        attributes = {} if axis is None else {"axis": axis}
        return _operator("DequantizeLinear", (integers, scale, zero_point), torch.float32, integers.shape, **attributes)
    values: Tensor = _Dequantize.apply(integers, scale, zero_point, axis)  # type: ignore[no-untyped-call]
    return values


def gather(table: Tensor, ids: Tensor) -> Tensor:
    """Gather of rows, on integers."""
    if torch.compiler.is_exporting():
        return _operator("Gather", (table, ids), table.dtype, (*ids.shape, table.shape[1]))
    rows: Tensor = _Gather.apply(table, ids)  # type: ignore[no-untyped-call]
    return rows


def _operator(
    name: str, inputs: Sequence[Tensor], dtype: torch.dtype, shape: Sequence[Any], **attributes: Any
) -> Tensor:
    made: Tensor = torch.onnx.ops.symbolic(name, inputs, attributes, dtype=dtype, shape=shape)
    return made


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
