"""From fake-quantized modules to integers: a copy of the model that traces to QuantizeLinear and DequantizeLinear.

Weights become int8 buffers, those of fewer bits too, so that zeros stay zeros (a symmetric weight has zero point 0) and
the file is a quarter of the size; no rewriting of the graph is needed. ONNX Runtime fuses what stands around each
product into one integer kernel.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from sparsebuild.numerics.fake_quant import (
    asymmetric_weight_parameters,
    fixed_weight_parameters,
    quantize_weight,
    quantize_weight_asymmetric,
    weight_scale,
)
from sparsebuild.numerics.onnx_functions import dequantize, gather, round_trip
from sparsebuild.numerics.quantization_scheme import Grid
from sparsebuild.training.quantization import ActivationQuantizer, QuantizedEmbedding, QuantizedLinear

__all__ = ["WEIGHT_NAME", "integer_copy"]

TABLE_NAME = "table"
WEIGHT_NAME = "weight_int8"  # `<module>.weight_int8` names a Linear's integers in the file, (in, out)

_Model = TypeVar("_Model", bound=nn.Module)


def integer_copy(model: _Model, *, tables: bool = True, signed: bool = False) -> _Model:
    """A copy of `model` whose quantized modules hold integers; only good for tracing.

    Without `tables` those of embeddings are float, rounded to the same values. With `signed` activations are int8 in
    place of uint8: the same grid, lower by half of it, so that symmetric ones have the zero point 0.
    """
    copied = copy.deepcopy(model).eval()
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is QuantizedLinear and child.scheme.weights:
                setattr(parent, name, IntegerLinear(child, child.scheme.weights))
            elif type(child) is QuantizedEmbedding and child.scheme.weights:
                integers = IntegerEmbedding(child, child.scheme.weights)
                setattr(parent, name, integers if tables else RoundedEmbedding(integers))
            elif type(child) is ActivationQuantizer:
                setattr(parent, name, RoundTrip(child))
    for module in copied.modules():
        if signed and isinstance(module, RoundTrip):
            module.zero_point = (module.zero_point.to(torch.int16) - module.middle).to(torch.int8)
    return copied


class RoundTrip(nn.Module):
    """An activation quantizer with its range made fixed.

    QuantizeLinear saturates at 0 and 255; a grid of fewer bits is cut off in float before it.
    """

    scale: Tensor  # () float32
    zero_point: Tensor  # () uint8, or int8

    def __init__(self, quantizer: ActivationQuantizer) -> None:
        super().__init__()
        scale, zero_point = quantizer.parameters_of_grid()
        steps = quantizer.grid.steps
        self.middle = (steps + 1) // 2
        self.ends = None if steps == 255 else (float(-zero_point * scale), float((steps - zero_point) * scale))
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("zero_point", zero_point.to(torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        return round_trip(x if self.ends is None else x.clamp(*self.ends), self.scale, self.zero_point)


class IntegerLinear(nn.Module):
    """A Linear with int8 weights; the product itself is written in float for the runtime to fuse."""

    weight_int8: Tensor  # (in, out) int8, as MatMul reads it
    weight_scale: Tensor  # (out,) float32, or () for one scale
    weight_zero: Tensor  # (out,) int8, or (); zeros where the grid is symmetric

    def __init__(self, linear: QuantizedLinear, grid: Grid) -> None:
        super().__init__()
        integers, scale, zero = _integers(linear.weight, grid)
        self.input = _maybe(linear.input_quantizer)
        self.output = _maybe(linear.output_quantizer)
        self.axis = 1 if grid.per_channel else None
        self.register_buffer(WEIGHT_NAME, integers.t().contiguous())
        self.register_buffer("weight_scale", scale.flatten().clone() if grid.per_channel else scale.clone())
        self.register_buffer("weight_zero", zero.flatten().clone() if grid.per_channel else zero.clone())
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        weight = dequantize(self.weight_int8, self.weight_scale, self.weight_zero, axis=self.axis)
        product = torch.matmul(self.input(x), weight)
        out: Tensor = self.output(product if self.bias is None else product + self.bias)
        return out


class IntegerEmbedding(nn.Module):
    """An Embedding with an int8 table: rows are gathered as integers."""

    table_int8: Tensor  # (rows, width) int8
    table_scale: Tensor  # () float32, or (rows, 1)
    table_zero: Tensor  # () int8, or (rows, 1)

    def __init__(self, embedding: QuantizedEmbedding, grid: Grid) -> None:
        super().__init__()
        integers, scale, zero = _integers(embedding.weight, grid)
        self.output = _maybe(embedding.output_quantizer)
        self.register_buffer("table_int8", integers)
        self.register_buffer("table_scale", scale.clone())
        self.register_buffer("table_zero", zero.clone())

    def forward(self, ids: Tensor) -> Tensor:
        rows = gather(self.table_int8, ids)
        if self.table_scale.ndim:  # DequantizeLinear knows no scale that is gathered as well
            levels = rows.float() - gather(self.table_zero, ids).float()
            return self.output(levels * gather(self.table_scale, ids))  # type: ignore[no-any-return]
        return self.output(dequantize(rows, self.table_scale, self.table_zero))  # type: ignore[no-any-return]


class RoundedEmbedding(nn.Module):
    """The same with a float table of the rounded values."""

    table: Tensor  # (rows, width) float32

    def __init__(self, embedding: IntegerEmbedding) -> None:
        super().__init__()
        self.output = embedding.output
        values = (embedding.table_int8.float() - embedding.table_zero.float()) * embedding.table_scale
        self.register_buffer(TABLE_NAME, values)

    def forward(self, ids: Tensor) -> Tensor:
        rows: Tensor = self.output(nn.functional.embedding(ids, self.table))
        return rows


def _integers(weight: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Integers, scale and zero point of a weight, the last two as (rows, 1) or ()."""
    if grid.scale is not None:
        scale, zero = fixed_weight_parameters(weight, grid.scale, grid.zero_point)
        return quantize_weight_asymmetric(weight, scale, zero, grid.bits), scale, zero.to(torch.int8)
    if grid.symmetric:
        scale = weight_scale(weight, grid.largest, bool(grid.per_channel))
        return quantize_weight(weight, scale, grid.largest), scale, torch.zeros_like(scale, dtype=torch.int8)
    scale, zero = asymmetric_weight_parameters(weight, grid.bits, bool(grid.per_channel))
    return quantize_weight_asymmetric(weight, scale, zero, grid.bits), scale, zero.to(torch.int8)


def _maybe(quantizer: ActivationQuantizer | None) -> nn.Module:
    return nn.Identity() if quantizer is None else RoundTrip(quantizer)
