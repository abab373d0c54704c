"""What an exported file is measured against: the same network dense and in float, and ONNX Runtime's dynamic int8.

Speed does not depend on what the weights are, only on which are zero. So a dense file is made by filling zeros with
other weights of the same tensor: it computes something else, as fast as the dense model would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sparsebuild.exporters.contents import without_zero_points

__all__ = ["fill_zeros", "write_dynamic_int8", "zeros"]

_SPARSE = 0.05  # share of zeros from which a matrix counts as pruned; a dense int8 one has some, of rounding


def zeros(path: Path) -> float:
    """The share of zeros in the matrices of an ONNX file but for tables of embeddings, 0 to 1."""
    weights = [array for _, array in _matrices(_load(path))]
    size = sum(w.size for w in weights)
    return sum(int((w == 0).sum()) for w in weights) / size if size else 0.0


def fill_zeros(path: Path, to: Path) -> bool:
    """Write the file with no pruned weights to `to`, the same bytes each time; False if there were none to fill."""
    import onnx
    from onnx import numpy_helper

    model = _load(path)
    draw = np.random.default_rng(0)
    found = False
    for tensor, values in _matrices(model):
        is_zero = values == 0
        if _SPARSE < is_zero.mean() < 1:
            array = numpy_helper.to_array(tensor)
            others = array[~is_zero]
            filled = np.where(is_zero, draw.choice(others, size=array.shape), array)
            tensor.CopyFrom(numpy_helper.from_array(filled, tensor.name))
            found = True
    onnx.save(model, str(to))
    return found


def write_dynamic_int8(path: Path, to: Path) -> None:
    """ONNX Runtime's own quantization of a float file: weights to int8, ranges of activations found as it runs.

    Constants are folded first, as its guide advises: a weight that is still to be transposed would stay float.
    """
    import logging

    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    folded = to.with_suffix(".folded.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # where it advises to fold all the same
    try:
        quantize_dynamic(str(folded), str(to), weight_type=QuantType.QInt8)
    finally:
        root.setLevel(level)


def _load(path: Path) -> Any:
    import onnx

    return onnx.load(str(path))


def _matrices(model: Any) -> list[tuple[Any, np.ndarray]]:
    """The weights of layers as tensors and as values, 0 where they are: all that a node multiplies, itself or after
    making it float.
    """
    multiplied = {name for node in model.graph.node if node.op_type in ("MatMul", "Gemm") for name in node.input}
    made_from = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type in _UNPACK}
    for _ in range(2):  # a weight may be transposed and dequantized on its way
        multiplied |= {made_from[name] for name in multiplied if name in made_from}
    found = [(tensor, values) for tensor, values in without_zero_points(model) if tensor.name in multiplied]
    return [(tensor, values) for tensor, values in found if values.ndim == 2]


_UNPACK = ("DequantizeLinear", "Transpose", "Cast")
