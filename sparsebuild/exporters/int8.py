"""What the int8 schemes have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sparsebuild.errors import UserError
from sparsebuild.exporters.base import write_onnx

__all__ = ["int8_zeros", "weight_levels", "write_int8"]


def write_int8(model: Any, path: Path, opset: int) -> None:
    """Write a quantized model with integer weights."""
    from sparsebuild.training.integers import integer_copy

    write_onnx(integer_copy(model), path, opset)


def weight_levels(model: Any) -> int:
    """The largest integer of the Linears' weights; raises UserError for a model that is not quantized."""
    from sparsebuild.training.quantization import QuantizedLinear

    levels = [m.weight_levels for m in model.modules() if isinstance(m, QuantizedLinear)]
    if not levels:
        raise UserError(
            "an int8 scheme needs a model that was quantized in training, and this recipe has no QuantizationModifier",
            hint='add one to the recipe, or set `export.scheme = "fp32"`',
        )
    return max(levels)


def int8_zeros(path: Path) -> dict[str, np.ndarray]:
    """Where the int8 weights of an ONNX file are 0, by the parameter's name: (out, in) bool."""
    import onnx
    from onnx import numpy_helper

    from sparsebuild.training.integers import WEIGHT_NAME

    return {
        tensor.name.removeprefix("model.").removesuffix(WEIGHT_NAME) + "weight": numpy_helper.to_array(tensor).T == 0
        for tensor in onnx.load(str(path)).graph.initializer
        if tensor.name.endswith("." + WEIGHT_NAME)
    }
