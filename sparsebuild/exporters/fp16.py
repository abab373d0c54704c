"""The scheme `fp16`: half the bytes of `fp32`, for runtimes that compute in half precision (GPUs, NPUs).

Inputs are int64 and logits float32 as in every scheme. ONNX Runtime has no such kernels for CPUs: it computes in
float32 there, from the rounded weights.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from sparsebuild.exporters.base import write_onnx

__all__ = ["export"]


def export(model: Any, path: Path, opset: int, exporter: str = "torchscript") -> None:
    """Write a copy of the float model in half precision; zeros stay zeros."""
    half = copy.deepcopy(model).half().eval()
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq"):  # of rotary positions: multiplied by the place, and so is how it was rounded
            half.get_buffer(name).data = buffer.clone()
    half.set_attn_implementation("eager")  # torch's fused attention is exported with a scale in float32
    write_onnx(half, path, opset, exporter, "fp16")
