"""The scheme `tensorrt`: int8 as TensorRT's kernels for GPUs want it.

Activations are symmetric (int8, zero point 0), weights have all 8 bits and are symmetric per channel, and tables of
embeddings stay float, since TensorRT gathers no integers. Zeros stay where they are, so that weights with two zeros in
every four (`mask_type: 2:4`) can run on sparse tensor cores. What is a multiple of four along `in` is 2:4 or not by
itself; `export.json` counts the tensors that are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsebuild.errors import UserError
from sparsebuild.exporters.int8 import is_symmetric, weight_bits, write_int8

__all__ = ["export"]


def export(model: Any, path: Path, opset: int, exporter: str = "torchscript") -> None:
    """Write `model` with symmetric int8 on both sides of every product; refuses one trained for uint8 activations."""
    weight_bits(model)
    if not is_symmetric(model):
        raise UserError(
            "scheme `tensorrt` wants symmetric activations, but this model was trained for asymmetric ones",
            hint="leave `tensorrt` out of the recipe's QuantizationModifier, which then trains for the scheme",
        )
    write_int8(model, path, opset, exporter, "tensorrt", tables=False, signed=True)
