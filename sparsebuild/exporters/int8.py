"""What the int8 schemes have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sparsebuild.errors import UserError
from sparsebuild.exporters.base import write_onnx

__all__ = ["int8_zeros", "weight_bits", "write_int8"]


def write_int8(model: Any, path: Path, opset: int) -> None:
    """Write a quantized model with integer weights."""
    from sparsebuild.training.integers import integer_copy

    write_onnx(integer_copy(model), path, opset)


def weight_bits(model: Any) -> int:
    """The most bits of any Linear's weights; raises UserError for a model that is not quantized."""
    from sparsebuild.training.quantization import QuantizedLinear

    bits = [m.scheme.weights.bits for m in model.modules() if isinstance(m, QuantizedLinear) and m.scheme.weights]
    if not bits:
        raise UserError(
            "an int8 scheme needs a model that was quantized in training, and this recipe has no QuantizationModifier",
            hint='add one to the recipe, or set `export.scheme = "fp32"`',
        )
    return max(bits)


def int8_zeros(path: Path) -> dict[str, np.ndarray]:
    """Where the int8 weights of an ONNX file stand for 0, by the parameter's name: (out, in) bool."""
    import onnx
    from onnx import numpy_helper

    from sparsebuild.training.integers import WEIGHT_NAME

    graph = onnx.load(str(path)).graph
    values = {tensor.name: tensor for tensor in graph.initializer}
    same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}  # kept once

    def integers(name: str) -> np.ndarray:
        return numpy_helper.to_array(values[same.get(name, name)])

    return {
        node.input[0].removeprefix("model.").removesuffix(WEIGHT_NAME) + "weight": (
            integers(node.input[0]) == integers(node.input[2])
        ).T
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("." + WEIGHT_NAME)
    }
