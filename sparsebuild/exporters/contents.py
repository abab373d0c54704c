"""What an ONNX file holds: its inputs and outputs, and every weight with its zeros."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Contents", "Tensor", "Value", "read", "without_zero_points"]

_LINEAR, _TABLE, _FLOAT_TABLE = "weight_int8", "table_int8", "table"  # of `training/integers.py`
_TABLE_ZERO = "table_zero"  # of a table whose rows have grids of their own: (rows, 1)
_PASS_ON = ("Identity", "Gather")  # what is kept once, and rows of a table on their way to be made float
_WRAPPER = "model."  # of the module that was traced


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """An input or output of the graph."""

    name: str
    type: str  # "int64", "float32"
    shape: Sequence[int | str]  # sizes, or the names of those that are free


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A weight: by the name of the parameter that it came from."""

    name: str
    type: str  # "int8", "float32", "float16"
    shape: Sequence[int]  # (out, in) of a Linear, (rows, width) of a table
    zeros: int
    sparsity: float
    two_of_four: bool  # at least two of every four weights along the last axis are 0
    is_zero: np.ndarray = field(repr=False)  # in its shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """One file."""

    opset: int
    inputs: Sequence[Value]
    outputs: Sequence[Value]
    tensors: Sequence[Tensor]  # of two dimensions, by name
    operators: Mapping[str, int]  # how many nodes of each kind
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)  # biases and norms, those found by name: what is 0

    def to_json(self) -> dict[str, Any]:
        """As it stands in `export.json`."""
        return {
            "opset": self.opset,
            "inputs": [_value(v) for v in self.inputs],
            "outputs": [_value(v) for v in self.outputs],
            "operators": dict(self.operators),
            "tensors": [_tensor(t) for t in self.tensors],
        }


def read(path: Path) -> Contents:
    """Read the file at `path`."""
    import onnx

    model = onnx.load(str(path))
    kinds = [node.op_type for node in model.graph.node]
    return Contents(
        opset=next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")),
        inputs=[_described(v) for v in model.graph.input],
        outputs=[_described(v) for v in model.graph.output],
        tensors=sorted(_tensors(model), key=lambda t: t.name),
        operators={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        vectors=_vectors(model),
    )


def without_zero_points(model: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Every initializer of a model, with its values: where a weight is 0, they are, whatever integer stands for it."""
    from onnx import numpy_helper

    arrays = {initializer.name: numpy_helper.to_array(initializer) for initializer in model.graph.initializer}
    from_one = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type in _PASS_ON}

    def origin(name: str) -> str:
        while name in from_one:
            name = from_one[name]
        return name

    zero_points = {origin(n.input[0]): origin(n.input[2]) for n in model.graph.node if _has_zero_point(n)}
    for initializer in model.graph.initializer:
        name, values = initializer.name, arrays[initializer.name]
        by_row = name.removesuffix(_TABLE) + _TABLE_ZERO if name.endswith(_TABLE) else ""
        zero = arrays.get(zero_points.get(name) or origin(by_row))
        if zero is not None and values.ndim == 2:
            values = values.astype(np.int16) - zero
            values = values.clip(-128, 127).astype(np.int8)  # a difference is 0 only where the integers are equal
        yield initializer, values


def _tensors(model: Any) -> Iterator[Tensor]:
    for initializer, values in without_zero_points(model):
        if values.ndim == 2 and values.dtype in (np.int8, np.float32, np.float16):  # not tables of positions
            name = initializer.name.removeprefix(_WRAPPER)
            if name.endswith("." + _LINEAR):
                values = values.T  # the file has it as MatMul reads it
            for ours in (_LINEAR, _TABLE, _FLOAT_TABLE):
                name = name.removesuffix(ours) + "weight" if name.endswith("." + ours) else name
            yield _counted(name, values)


def _vectors(model: Any) -> dict[str, np.ndarray]:
    """Where each is 0. Of several that are equal a file may keep one, and the names of the others are not in it."""
    from onnx import numpy_helper

    vectors = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer if len(i.dims) == 1}
    return {name.removeprefix(_WRAPPER): values == 0 for name, values in vectors.items()}


def _has_zero_point(node: Any) -> bool:
    return node.op_type == "DequantizeLinear" and len(node.input) == 3


def _counted(name: str, values: np.ndarray) -> Tensor:
    is_zero = values == 0
    zeros = int(is_zero.sum())
    return Tensor(
        name=name,
        type=str(values.dtype),
        shape=list(values.shape),
        zeros=zeros,
        sparsity=zeros / values.size,
        two_of_four=_is_two_of_four(is_zero),
        is_zero=is_zero,
    )


def _is_two_of_four(is_zero: np.ndarray) -> bool:
    if is_zero.shape[1] % 4:
        return False
    return bool((is_zero.reshape(is_zero.shape[0], -1, 4).sum(-1) >= 2).all())


def _described(value: Any) -> Value:
    import onnx

    kind = value.type.tensor_type
    name = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return Value(name=value.name, type=name, shape=[d.dim_param or d.dim_value for d in kind.shape.dim])


def _value(value: Value) -> dict[str, Any]:
    return {"name": value.name, "type": value.type, "shape": list(value.shape)}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    told = {"name": tensor.name, "type": tensor.type, "shape": list(tensor.shape), "zeros": tensor.zeros}
    return {**told, "sparsity": tensor.sparsity, **({"pattern": "2:4"} if tensor.two_of_four else {})}
