"""The step `profile` on a tiny encoder: what is timed is exported as the trained model will be."""

from __future__ import annotations

import json

import onnx
import pytest

from sparsebuild.errors import UserError
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.steps import profile
from sparsebuild.training.budgets import Profile

QUANTIZED = {"recipe": {"modifiers": {"QuantizationModifier": [{}]}}, "shapes": ["1x8"]}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
    path.write_text(json.dumps({"model_type": "bert", "vocab_size": 30, "max_position_embeddings": 16, **sizes}))
    return path


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(profile, "_SECONDS", 0.01)


def test_a_table_is_left_with_all_that_it_is_true_of(make_job, listener, config):
    profile.run(make_job("profile", QUANTIZED, config=config), listener)
    document = json.loads((config.parent / "out" / "layers.json").read_text())
    assert (document["shape"], document["threads"], document["scheme"]) == ("1x8", 1, "portable")
    assert document["cpu"] == listener.notes["cpu"]
    assert document["encoder"] == {"layers": 3, "heads": 4, "neurons": 96}
    read = Profile.read(config.parent / "out" / "layers.json")
    assert list(read.times.attention) == [1, 2, 3, 4]
    assert 0 < read.times.share([LayerShape(heads=1, neurons=32)]) < 20  # so small that a file's overhead counts most
    assert read.elsewhere(document["cpu"]) == ""
    assert read.elsewhere("another").startswith("the budget of time is kept by kernels that were timed on another CPU")


@pytest.mark.parametrize(("scheme", "is_quantized"), [("portable", True), ("fp32", False)])
def test_probes_are_exported_by_the_scheme_with_their_own_shapes(scheme, is_quantized, make_job, listener, config):
    profile.run(make_job("profile", {**QUANTIZED, "scheme": scheme}, config=config), listener)
    files = sorted((config.parent / "scratch").glob("[0-9]*.onnx"))
    held = [onnx.load(path) for path in files]
    kinds = {node.op_type for model in held for node in model.graph.node}
    assert ("QuantizeLinear" in kinds) == is_quantized
    widths = {tuple(i.dims) for model in held for i in model.graph.initializer}
    assert {(16, 32), (16, 96), (16, 4), (16, 16)} <= {tuple(sorted(shape)) for shape in widths} | widths


def test_what_cannot_be_profiled_is_told(make_job, listener, config):
    with pytest.raises(UserError, match="has 1x64, but the model reads at most 16 pieces"):
        profile.run(make_job("profile", {**QUANTIZED, "shapes": ["1x64"]}, config=config), listener)
    with pytest.raises(UserError, match="an int8 scheme needs a model that was quantized in training"):
        profile.run(make_job("profile", {"shapes": ["1x8"]}, config=config), listener)
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "albert"}))
    with pytest.raises(UserError, match="models of type `albert` cannot be trained here"):
        profile.run(make_job("profile", QUANTIZED, config=config), listener)
