"""What is left out of a traced graph, and that the rest computes the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sparsebuild.exporters.graph_passes import simplify

SIZES = ((1, 1), (4, 9), (2, 7))


def graph_of(nodes, out_shape, **constants):
    """A file that makes `y` of `x`, (batch, sequence, 12)."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "sequence", 12])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, out_shape)
    weights = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def answers(model):
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    rng = np.random.default_rng(0)
    return [session.run(None, {"x": rng.normal(size=(*size, 12)).astype(np.float32)}) for size in SIZES]


def simplified(model):
    """The same, once it is known to give the same."""
    before = answers(model)
    simplify(model)
    for old, new in zip(before, answers(model), strict=True):
        for a, b in zip(old, new, strict=True):
            np.testing.assert_array_equal(a, b)
    return model.graph


def kinds(graph):
    return [node.op_type for node in graph.node]


def constant(graph, name):
    return next(numpy_helper.to_array(weight).tolist() for weight in graph.initializer if weight.name == name)


def size(place):
    return helper.make_node("Gather", ["shape", f"at{place}"], [f"size{place}"])


SHAPE = helper.make_node("Shape", ["x"], ["shape"])
PLACES = {"at0": np.array([0]), "at1": np.array([1])}
RESHAPE = helper.make_node("Reshape", ["x", "wanted"], ["y"], allowzero=1)


@pytest.mark.parametrize(
    ("parts", "out_shape", "written"),
    [
        (("size0", "size1", "heads", "width"), ["batch", "sequence", 3, 4], [0, 0, 3, 4]),
        (("size0", "heads", "size1", "width"), ["batch", 3, "sequence", 4], [0, 3, -1, 4]),
        (("rest", "twelve"), ["both", 12], [-1, 12]),
    ],
)
def test_a_shape_that_is_computed_becomes_a_constant(parts, out_shape, written):
    nodes = [SHAPE, size(0), size(1), helper.make_node("Concat", parts, ["wanted"], axis=0), RESHAPE]
    widths = {"heads": np.array([3]), "width": np.array([4]), "rest": np.array([-1]), "twelve": np.array([12])}
    graph = simplified(graph_of(nodes, out_shape, **PLACES, **widths))
    assert kinds(graph) == ["Reshape"]
    assert constant(graph, graph.node[0].input[1]) == written
    assert len(graph.initializer) == 1


def test_of_two_free_sizes_in_other_places_nothing_is_guessed():
    nodes = [
        SHAPE,
        size(0),
        size(1),
        helper.make_node("Concat", ["size1", "size0", "rest"], ["wanted"], axis=0),
        RESHAPE,
    ]
    graph = simplified(graph_of(nodes, ["sequence", "batch", 12], **PLACES, rest=np.array([-1])))
    assert kinds(graph) == ["Shape", "Gather", "Gather", "Concat", "Reshape"]


def rounding(n, scale):
    return [
        helper.make_node("QuantizeLinear", ["x", f"scale{n}", f"zero{n}"], [f"q{n}"]),
        helper.make_node("DequantizeLinear", [f"q{n}", f"scale{n}", f"zero{n}"], [f"d{n}"]),
    ], {f"scale{n}": np.float32(scale), f"zero{n}": np.uint8(128)}


@pytest.mark.parametrize(("scales", "left"), [((0.1, 0.1), 1), ((0.1, 0.2), 2)])
def test_what_is_rounded_alike_is_rounded_once(scales, left):
    (one, of_one), (two, of_two) = (rounding(n, scale) for n, scale in enumerate(scales))
    graph = simplified(
        graph_of(
            [*one, *two, helper.make_node("Add", ["d0", "d1"], ["y"])], ["batch", "sequence", 12], **of_one, **of_two
        )
    )
    assert [kinds(graph).count(kind) for kind in ("QuantizeLinear", "DequantizeLinear", "Add")] == [left, left, 1]


def test_an_output_is_kept_under_its_name_though_it_is_computed_twice():
    nodes = [helper.make_node("Erf", ["x"], [name]) for name in ("a", "y", "z")]
    model = graph_of([*nodes, helper.make_node("Add", ["a", "z"], ["sum"])], ["batch", "sequence", 12])
    model.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch", "sequence", 12]))
    assert kinds(simplified(model)) == ["Erf", "Erf", "Add"]


def test_attributes_tell_two_nodes_apart():
    nodes = [helper.make_node("Softmax", ["x"], [f"s{axis}"], axis=axis) for axis in (1, 2)]
    graph = simplified(graph_of([*nodes, helper.make_node("Add", ["s1", "s2"], ["y"])], ["batch", "sequence", 12]))
    assert kinds(graph) == ["Softmax", "Softmax", "Add"]


def test_an_output_that_is_left_out_is_no_other_ones():
    nodes = [
        helper.make_node("MaxPool", ["x"], ["a", "places"], kernel_shape=[1]),
        helper.make_node("MaxPool", ["x"], ["b", ""], kernel_shape=[1]),
        helper.make_node("MaxPool", ["x"], ["c", ""], kernel_shape=[1]),
        helper.make_node("Sum", ["a", "b", "c"], ["sum"]),
        helper.make_node("Clip", ["sum", "", "most"], ["least"]),
        helper.make_node("Cast", ["places"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["least", "floats"], ["y"]),
    ]
    graph = simplified(graph_of(nodes, ["batch", "sequence", 12], most=np.float32(0.5)))
    assert kinds(graph) == ["MaxPool", "MaxPool", "Sum", "Clip", "Cast", "Add"]
    assert list(graph.node[3].input) == ["sum", "", "most"]


def test_a_file_with_branches_is_left_as_it_is():
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "branch", [], [out])
    nodes = [
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Erf", ["x"], ["unread"]),
    ]
    assert kinds(simplified(graph_of(nodes, ["batch", "sequence", 12], yes=np.array(True)))) == ["If", "Erf"]


def test_what_is_rounded_to_two_grids_in_turn_is_rounded_to_both():
    def pair(value, grid, made):
        scale, zero = f"scale{grid}", f"zero{grid}"
        quantize = helper.make_node("QuantizeLinear", [value, scale, zero], [f"{made}8"])
        return [quantize, helper.make_node("DequantizeLinear", [f"{made}8", scale, zero], [made])]

    scales, zeros = [np.float32(0.03), np.float32(0.02)], [np.uint8(100), np.uint8(140)]
    constants = {f"{name}{k}": of[k] for k in (0, 1) for name, of in (("scale", scales), ("zero", zeros))}
    model = graph_of([*pair("x", 0, "a"), *pair("a", 1, "y")], ["batch", "sequence", 12], **constants)
    simplify(model)
    assert kinds(model.graph) == ["QuantizeLinear", "DequantizeLinear", "Clip", "QuantizeLinear", "DequantizeLinear"]
    rng = np.random.default_rng(0)
    for (found,), size in zip(answers(model), SIZES, strict=True):
        wanted = rng.normal(size=(*size, 12)).astype(np.float32)
        for scale, zero in zip(scales, zeros, strict=True):
            level = np.clip(np.rint(wanted / scale) + zero, 0, 255) - zero
            wanted = level.astype(np.float32) * scale
        np.testing.assert_array_equal(found, wanted)
