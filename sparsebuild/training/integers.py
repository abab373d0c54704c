"""From fake-quantized modules to integers: a copy of the model that traces to QuantizeLinear and DequantizeLinear.

Weights become int8 buffers with zero point 0, so zeros stay zeros and the file is a quarter of the size; no rewriting
of the graph is needed. ONNX Runtime fuses what stands around each product into one integer kernel.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

from sparsebuild.numerics.fake_quant import activation_parameters, quantize_weight, weight_scale
from sparsebuild.numerics.onnx_functions import dequantize, gather, round_trip
from sparsebuild.training.quantization import (
    EMBEDDING_LEVELS,
    ActivationQuantizer,
    QuantizedEmbedding,
    QuantizedLinear,
)

__all__ = ["WEIGHT_NAME", "integer_copy"]

WEIGHT_NAME = "weight_int8"  # `<module>.weight_int8` names a Linear's integers in the file, (in, out)

_Model = TypeVar("_Model", bound=nn.Module)


def integer_copy(model: _Model) -> _Model:
    """A copy of `model` whose quantized modules hold integers; only good for tracing."""
    copied = copy.deepcopy(model).eval()
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is QuantizedLinear:
                setattr(parent, name, IntegerLinear(child))
            elif type(child) is QuantizedEmbedding:
                setattr(parent, name, IntegerEmbedding(child))
            elif type(child) is ActivationQuantizer:
                setattr(parent, name, RoundTrip(child))
    return copied


class RoundTrip(nn.Module):
    """An activation quantizer with its range made fixed."""

    scale: Tensor  # () float32
    zero_point: Tensor  # () uint8

    def __init__(self, quantizer: ActivationQuantizer) -> None:
        super().__init__()
        scale, zero_point = activation_parameters(quantizer.lowest, quantizer.highest)
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("zero_point", zero_point.to(torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        return round_trip(x, self.scale, self.zero_point)


class IntegerLinear(nn.Module):
    """A Linear with int8 weights; the product itself is written in float for the runtime to fuse."""

    weight_int8: Tensor  # (in, out) int8, as MatMul reads it
    weight_scale: Tensor  # (out,) float32
    weight_zero: Tensor  # (out,) int8, zeros

    def __init__(self, linear: QuantizedLinear) -> None:
        super().__init__()
        scale = weight_scale(linear.weight, linear.weight_levels, per_channel=True)
        integers = quantize_weight(linear.weight, scale, linear.weight_levels)
        self.input = RoundTrip(linear.input_quantizer)
        self.register_buffer("weight_int8", integers.t().contiguous())
        self.register_buffer("weight_scale", scale[:, 0].clone())
        self.register_buffer("weight_zero", torch.zeros(len(scale), dtype=torch.int8))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        weight = dequantize(self.weight_int8, self.weight_scale, self.weight_zero, axis=1)
        product = torch.matmul(self.input(x), weight)
        return product if self.bias is None else product + self.bias


class IntegerEmbedding(nn.Module):
    """An Embedding with an int8 table: rows are gathered as integers."""

    table_int8: Tensor  # (rows, width) int8
    table_scale: Tensor  # () float32
    table_zero: Tensor  # () int8, zero

    def __init__(self, embedding: QuantizedEmbedding) -> None:
        super().__init__()
        scale = weight_scale(embedding.weight, EMBEDDING_LEVELS, per_channel=False)
        self.register_buffer("table_int8", quantize_weight(embedding.weight, scale, EMBEDDING_LEVELS))
        self.register_buffer("table_scale", scale.clone())
        self.register_buffer("table_zero", torch.zeros((), dtype=torch.int8))

    def forward(self, ids: Tensor) -> Tensor:
        return dequantize(gather(self.table_int8, ids), self.table_scale, self.table_zero)
