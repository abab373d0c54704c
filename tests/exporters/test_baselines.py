"""exporters/baselines.py: what an exported file is measured against."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sparsebuild.exporters.baselines import fill_zeros, write_dynamic_int8, zeros
from sparsebuild.exporters.runtime import open_session


@pytest.fixture
def sparse(tmp_path):
    """Writes x · W, where half of W is zero, in float or as int8 that is dequantized and transposed on its way."""

    def write(name, integer=False, zero=0):
        weights = np.random.default_rng(3).integers(1, 60, (8, 6))
        weights[::2] = 0
        kept = (weights + zero).T.astype(np.int8) if integer else weights.astype(np.float32)
        tensors = [numpy_helper.from_array(kept, "w"), numpy_helper.from_array(np.zeros((4, 4), np.float32), "unused")]
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
        if integer:
            tensors.append(numpy_helper.from_array(np.float32(0.5), "scale"))
            tensors.append(numpy_helper.from_array(np.int8(zero), "zero"))
            nodes = [
                helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["float"]),
                helper.make_node("Transpose", ["float"], ["turned"], perm=[1, 0]),
                helper.make_node("MatMul", ["x", "turned"], ["y"]),
            ]
        given, made = (
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 8]), ("y", [1, 6]))
        )
        graph = helper.make_graph(nodes, "g", [given], [made], tensors)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize(("integer", "zero"), [(False, 0), (True, 0), (True, -20)])
def test_zeros_are_filled_with_weights_of_the_same_tensor(sparse, tmp_path, integer, zero):
    path = sparse("sparse.onnx", integer, zero)
    assert zeros(path) == 0.5
    assert fill_zeros(path, tmp_path / "filled.onnx")
    assert zeros(tmp_path / "filled.onnx") == 0
    before, after = (numpy_helper.to_array(onnx.load(p).graph.initializer[0]) for p in (path, tmp_path / "filled.onnx"))
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    assert np.array_equal(after[before != zero], before[before != zero])
    assert set(after.ravel()) <= set(before[before != zero])
    open_session(tmp_path / "filled.onnx", 1)


def test_filling_twice_gives_the_same_bytes(sparse, tmp_path):
    for name in ("a", "b"):
        fill_zeros(sparse("sparse.onnx"), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_dense_file_has_nothing_to_fill(sparse, tmp_path):
    fill_zeros(sparse("sparse.onnx"), tmp_path / "dense.onnx")
    assert not fill_zeros(tmp_path / "dense.onnx", tmp_path / "again.onnx")


def test_dynamic_int8_multiplies_integers(sparse, tmp_path):
    write_dynamic_int8(sparse("sparse.onnx"), tmp_path / "dynamic.onnx")
    assert "MatMulInteger" in {node.op_type for node in onnx.load(tmp_path / "dynamic.onnx").graph.node}
