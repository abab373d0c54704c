"""From a trained model to an ONNX file: one scheme a file, and what proves that the file is the model.

A scheme is a module with `export(model, folder, opset)`; listing them imports nothing.
"""

__all__ = ["EXPORTERS"]

EXPORTERS = {
    "portable": "sparsebuild.exporters.portable:export",
    "ort-cpu": "sparsebuild.exporters.ort_cpu:export",
    "fp32": "sparsebuild.exporters.fp32:export",
}
