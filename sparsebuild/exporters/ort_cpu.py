"""The scheme `ort-cpu`: int8 files with all 8 bits, for CPUs with VNNI (or AVX-VNNI, AMX).

On other x86 CPUs ONNX Runtime's products saturate and the file is silently another model. Whoever exports or opens it
there is told (`cpu.py`), and the comparison that follows every export runs on the machine at hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsebuild.exporters.int8 import weight_bits, write_int8

__all__ = ["export"]


def export(model: Any, path: Path, opset: int, exporter: str = "torchscript") -> None:
    """Write `model` with int8 weights in the levels that it was trained for."""
    weight_bits(model)
    write_int8(model, path, opset, exporter, "ort-cpu")
