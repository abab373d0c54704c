"""The scheme `ort-cpu`: int8 files with all 8 bits, for CPUs with VNNI (or AVX-VNNI, AMX).

On other CPUs ONNX Runtime's products saturate and the file is silently another model; the comparison that follows
every export runs on the machine at hand and would say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsebuild.exporters.int8 import weight_bits, write_int8

__all__ = ["export"]


def export(model: Any, path: Path, opset: int) -> None:
    """Write `model` with int8 weights in the levels that it was trained for."""
    weight_bits(model)
    write_int8(model, path, opset)
