"""From a trained model to an ONNX file: one scheme a file, and what proves that the file is the model.

A scheme is a module with an `Exporter` (see base.py); listing them imports nothing. `docs/schemes.md` says which to
take.
"""

from collections.abc import Mapping

__all__ = ["EXPORTERS", "FLOATS", "GRIDS"]

EXPORTERS = {
    "portable": "sparsebuild.exporters.portable:export",
    "ort-cpu": "sparsebuild.exporters.ort_cpu:export",
    "tensorrt": "sparsebuild.exporters.tensorrt:export",
    "fp32": "sparsebuild.exporters.fp32:export",
    "fp16": "sparsebuild.exporters.fp16:export",
}

FLOATS = ("fp32", "fp16")  # schemes that leave the recipe's quantization out of the file

# What training rounds to for a scheme, where that is not what it does anyway: fields of `modifiers.base.FileGrid`.
GRIDS: Mapping[str, Mapping[str, object]] = {
    "ort-cpu": {"weight_levels": 127},
    "tensorrt": {"weight_levels": 127, "symmetric_activations": True},
}
