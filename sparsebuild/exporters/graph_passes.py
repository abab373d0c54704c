"""Leaving out of a traced graph what it computes for nothing, and keeping what runtimes would leave out of it.

A traced graph works out the shape of every reshape anew at each run, and rounds one tensor once for each that reads it.
In a small encoder that is felt, and no runtime leaves all of it out by itself. Every value that is left is computed as
before. (In what the newer exporter writes onnx infers too little, and shapes stay computed.)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

__all__ = ["simplify"]

_SIZES = ((2, 7), (3, 11))  # sentences and pieces of two examples; all four differ
_LARGEST_READ = 1024  # bytes of a weight that sizes may be computed from


def simplify(model: Any) -> None:
    """Write fixed shapes as such, compute what is the same once, and drop what nothing reads.

    The shapes of what is in between go too: ONNX Runtime 1.32 that knows them joins additions and LayerNorms into a
    kernel that takes several times as long on a CPU.
    """
    graph = model.graph
    if any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        return  # branches and loops read names from outside; no encoder has any
    del graph.value_info[:]
    _fix_reshapes(model)
    _join_equal(graph)
    _drop_unread(graph)
    _keep_both_grids(graph)


def _fix_reshapes(model: Any) -> None:
    """Give a Reshape its shape as a constant: 0 for a size that it takes over, -1 for one that follows."""
    import numpy as np
    from onnx import numpy_helper

    examples = [_shapes(model, *sizes) for sizes in _SIZES]
    for node in model.graph.node:
        if node.op_type == "Reshape":
            read, made = ([known.get(name) for known in examples] for name in (node.input[0], node.output[0]))
            wanted = _wanted(read, made) if all(read) and all(made) else []
            if wanted and wanted.count(-1) <= 1:
                shape = numpy_helper.from_array(np.array(wanted, np.int64), f"{node.output[0]}.shape")
                model.graph.initializer.append(shape)
                node.input[1] = shape.name
                del node.attribute[:]  # `allowzero`, by which a 0 would be no size that is taken over


def _wanted(read: Sequence[Any], made: Sequence[Any]) -> list[int]:
    """For each size of what is made: what it is in all examples, 0 where it is what is read there, else -1."""
    wanted = []
    for place, sizes in enumerate(zip(*made, strict=True)):
        if None in sizes:
            wanted.append(-1)
        elif len(set(sizes)) == 1:
            wanted.append(sizes[0])
        else:
            is_taken = [shape[place : place + 1] for shape in read] == [[size] for size in sizes]
            wanted.append(0 if is_taken else -1)
    return wanted


def _shapes(model: Any, batch: int, sequence: int) -> dict[str, list[int | None]]:
    """The shape of every value for inputs of these sizes; None where it does not follow from them."""
    import onnx

    graph, make = model.graph, onnx.helper
    small = [weight for weight in graph.initializer if len(weight.raw_data) <= _LARGEST_READ]
    large = [weight for weight in graph.initializer if len(weight.raw_data) > _LARGEST_READ]  # read by shape alone
    given = [make.make_tensor_value_info(weight.name, weight.data_type, weight.dims) for weight in large]
    outline = make.make_graph(graph.node, graph.name, [*graph.input, *given], graph.output, small)
    sized = make.make_model(outline, opset_imports=model.opset_import, functions=model.functions)
    for value in sized.graph.input[: len(graph.input)]:
        for dimension, size in zip(value.type.tensor_type.shape.dim, (batch, sequence), strict=False):
            dimension.dim_value = size
    known = onnx.shape_inference.infer_shapes(sized, data_prop=True).graph
    return {
        value.name: [d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim]
        for value in (*known.value_info, *known.input, *known.output)
    }


def _join_equal(graph: Any) -> None:
    """Keep one of several equal scales or zero points, and of several nodes that do the same with the same."""
    from onnx import numpy_helper

    results = {value.name for value in graph.output}
    first: dict[Hashable, Any] = {}
    kept_as: dict[str, str] = {}
    weights, nodes = [], []
    for weight in graph.initializer:
        value = weight.name if weight.dims else (weight.data_type, numpy_helper.to_array(weight).tobytes())
        if (kept := first.setdefault(value, weight)) is weight:
            weights.append(weight)
        else:
            kept_as[weight.name] = kept.name
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = kept_as.get(name, name)
        how = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        made = tuple(map(bool, node.output))  # one that is left out has the name ""
        computed = (node.domain, node.op_type, tuple(node.input), made, *how)
        if (kept := first.setdefault(computed, node)) is node or results.intersection(node.output):
            nodes.append(node)
        else:
            kept_as.update((a, b) for a, b in zip(node.output, kept.output, strict=True) if a)
    _replace(graph.initializer, weights)
    _replace(graph.node, nodes)


def _keep_both_grids(graph: Any) -> None:
    """Put a Clip, at the ends of its grid, behind each value that is rounded to one grid and at once to another.

    ONNX Runtime makes one rounding of two that follow each other, on a grid of its own choice: another value. The Clip
    changes nothing, as nothing lies past those ends.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    constants = {weight.name: weight for weight in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    nodes, clipped = [], set()
    for node in graph.node:
        before = made.get(node.input[0]) if node.op_type == "QuantizeLinear" else None
        grid = before.input[1:] if before is not None and before.op_type == "DequantizeLinear" else node.input[1:]
        if before is not None and grid != node.input[1:] and constants.keys() >= set(grid):
            value, name = node.input[0], f"{node.input[0]}.clipped"
            scale, zero = (numpy_helper.to_array(constants[name]) for name in grid)
            if value not in clipped:
                ends = np.iinfo(zero.dtype)
                for end, level in (("low", ends.min), ("high", ends.max)):
                    bound = np.float32((level - int(zero)) * scale)
                    graph.initializer.append(numpy_helper.from_array(np.array(bound), f"{value}.{end}"))
                nodes.append(helper.make_node("Clip", [value, f"{value}.low", f"{value}.high"], [name], name=name))
                clipped.add(value)
            node.input[0] = name
        nodes.append(node)
    _replace(graph.node, nodes)


def _drop_unread(graph: Any) -> None:
    """Nodes come after what they read, so one pass from the end finds all."""
    read = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            nodes.append(node)
            read.update(node.input)
    _replace(graph.node, nodes[::-1])
    _replace(graph.initializer, [weight for weight in graph.initializer if weight.name in read])


def _replace(field: Any, items: Iterable[Any]) -> None:
    kept = list(items)
    del field[:]
    field.extend(kept)
