"""The scheme `portable`: int8 files that mean the same on every CPU.

Weights use 7 of the 8 bits. CPUs without VNNI multiply uint8 × int8 by an instruction that adds two products in 16
bits and saturates; 255 · 64 · 2 < 2¹⁵ cannot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsebuild.errors import UserError
from sparsebuild.exporters.int8 import weight_bits, write_int8
from sparsebuild.numerics.quantization_scheme import PORTABLE_BITS

__all__ = ["export"]


def export(model: Any, path: Path, opset: int) -> None:
    """Write `model` with int8 weights; refuses one that was trained for 8 bits."""
    bits = weight_bits(model)
    if bits > PORTABLE_BITS:
        raise UserError(
            f"scheme `portable` holds weights in {PORTABLE_BITS} bits, but this model was trained for {bits}",
            hint='set `weight_levels: 63` in the recipe\'s QuantizationModifier, or `export.scheme = "ort-cpu"`',
        )
    write_int8(model, path, opset)
