"""The scheme `fp32`: float weights as they are, nothing quantized."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsebuild.exporters.base import write_onnx

__all__ = ["export"]


def export(model: Any, path: Path, opset: int, exporter: str = "torchscript") -> None:
    """Write the float model; zeros stay zeros."""
    write_onnx(model, path, opset, exporter, "fp32")
