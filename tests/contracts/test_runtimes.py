"""What every runtime must do: stand by itself, and compute what ONNX says. Those that are not here are skipped.

`SPARSEBUILD_PYTHON_OPENVINO=/path/to/python` names an environment that has one, as it does for `sparsebuild run bench`.
"""

import ast
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sparsebuild import runtimes
from sparsebuild.runtimes import RUNTIMES
from sparsebuild.runtimes.turns import Feed, in_turns, opened

FOLDER = Path(runtimes.__file__).parent
FILES = ["worker.py", *RUNTIMES.values()]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(scope="module", params=[3, 2], ids=["types", "typeless"])
def model(request, tmp_path_factory):
    """A table of embeddings and a product, with the inputs and the output of a token classifier."""
    table = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    inputs = INPUTS[: request.param]
    nodes = [
        helper.make_node("Add", ["input_ids", "token_type_ids"], ["ids"])
        if "token_type_ids" in inputs
        else helper.make_node("Identity", ["input_ids"], ["ids"]),
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["seen"]),
        helper.make_node("MatMul", ["seen", "weight"], ["logits"]),
    ]
    tensors = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(table[:8, :3].copy(), "weight"),
        numpy_helper.from_array(np.array([-1]), "last"),
    ]
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in inputs]
    made = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "sequence", 3])]
    graph = helper.make_graph(nodes, "g", given, made, tensors)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
    return path


@pytest.mark.parametrize("name", FILES)
def test_its_file_is_python_3_8_and_knows_nothing_of_ours(name):
    tree = ast.parse((FOLDER / name).read_text(), name, feature_version=(3, 8))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {getattr(node, "module", None) or node.names[0].name for node in nodes}
    assert not [module for module in imported if module.startswith("sparsebuild")]
    at_the_top = {getattr(n, "module", None) or n.names[0].name for n in tree.body if n in nodes}
    assert {module.partition(".")[0] for module in at_the_top} <= {*sys.stdlib_module_names, "__future__"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_it_runs_every_batch_and_leaves_the_file_as_it_was(runtime, model, tmp_path):
    before = model.read_bytes()
    python = os.environ.get(f"SPARSEBUILD_PYTHON_{runtime.upper()}", sys.executable)
    feeds = [
        Feed(name="2x4", batches=[[[1, 2, 3, 4], [5, 6, 7, 8]]]),
        Feed(name="sentences", batches=[[[1, 2]], [[3]]]),
    ]
    with (tmp_path / "log").open("w") as log, opened([(runtime, "export", model)], {runtime: python}, 1, log) as (one,):
        if one.missing:
            pytest.skip(one.missing)
        times = [in_turns([one], feed, 0.001)[0] for feed in feeds]
        assert (one.failed, bool(one.version)) == ("", True)
        assert len(times[0]) >= 5
        assert len(times[1]) == 2
        assert 0 < one.ask(memory=True)["bytes"] < 1 << 30
    assert model.read_bytes() == before
