"""What the int8 schemes have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsebuild.errors import UserError
from sparsebuild.exporters.base import write_onnx

__all__ = ["is_symmetric", "weight_bits", "write_int8"]


def write_int8(
    model: Any, path: Path, opset: int, exporter: str, scheme: str, *, tables: bool = True, signed: bool = False
) -> None:
    """Write a quantized model with integer weights; `tables` of embeddings as integers too, `signed` activations."""
    from sparsebuild.training.integers import integer_copy

    write_onnx(integer_copy(model, tables=tables, signed=signed), path, opset, exporter, scheme)


def weight_bits(model: Any) -> int:
    """The most bits of any Linear's weights; raises UserError for a model that is not quantized."""
    from sparsebuild.training.quantization import QuantizedLinear

    bits = [m.scheme.weights.bits for m in model.modules() if isinstance(m, QuantizedLinear) and m.scheme.weights]
    if not bits:
        raise UserError(
            "an int8 scheme needs a model that was quantized in training, and this one was not",
            hint='add a QuantizationModifier to the recipe, or set `export.scheme = "fp32"`',
        )
    return max(bits)


def is_symmetric(model: Any) -> bool:
    """Whether all activations and all weights of Linears are rounded symmetrically."""
    from sparsebuild.training.quantization import QuantizedLinear, observers

    linears = [m.scheme.weights for m in model.modules() if isinstance(m, QuantizedLinear) and m.scheme.weights]
    return all(o.grid.symmetric for _, o in observers(model)) and all(grid.symmetric for grid in linears)
