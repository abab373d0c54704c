"""exporters/: every scheme writes the model that was given, byte for byte the same in two processes."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from sparsebuild.errors import TargetFailed, UserError
from sparsebuild.exporters import EXPORTERS
from sparsebuild.exporters.agreement import check, compare
from sparsebuild.exporters.int8 import int8_zeros, write_int8
from sparsebuild.exporters.runtime import open_session
from sparsebuild.numerics.quantization_scheme import ATTENTION, EMBEDDING, Grid, Scheme
from sparsebuild.registry import load
from sparsebuild.training import quantization, quantization_plan

MAKE = """
import sys, torch
from transformers import BertConfig, BertForTokenClassification
from sparsebuild.registry import load
from sparsebuild.exporters import EXPORTERS
from sparsebuild.training import quantization
from pathlib import Path

def model(levels):
    torch.manual_seed(0)
    config = BertConfig(vocab_size=80, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=32, num_labels=3)
    made = BertForTokenClassification(config)
    with torch.no_grad():
        made.bert.encoder.layer[0].intermediate.dense.weight[:, ::2] = 0.0
    if levels:
        quantization.quantize(made, weight_levels=levels)
        made.train()
        made(input_ids=torch.arange(60).reshape(4, 15))
    return made.eval()

if __name__ == "__main__":
    for scheme, levels in (("portable", 63), ("ort-cpu", 127), ("fp32", 0)):
        load(EXPORTERS[scheme])(model(levels), Path(sys.argv[1]) / f"{scheme}.onnx", 20)
"""
SCHEMES = [("portable", 63), ("ort-cpu", 127), ("fp32", 0)]


@pytest.fixture(scope="module")
def make():
    space = {"__name__": "made"}
    exec(MAKE, space)
    return space["model"]


@pytest.mark.parametrize(("scheme", "levels"), SCHEMES)
def test_the_file_computes_what_the_model_does(scheme, levels, make, tmp_path):
    model = make(levels)
    load(EXPORTERS[scheme])(model, tmp_path / "model.onnx", 20)
    session = open_session(tmp_path / "model.onnx", 1)
    for shape in ((1, 3), (5, 12)):
        ids = torch.arange(shape[0] * shape[1]).reshape(shape) % 80
        mask = torch.ones_like(ids)
        mask[0, -1] = 0
        feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "token_type_ids": np.zeros(shape, np.int64)}
        with torch.no_grad():
            expected = model(input_ids=ids, attention_mask=mask).logits.numpy()
        assert np.abs(session.run(["logits"], feeds)[0] - expected).max() < 1e-5


def masked(make, **scheme):
    """The model of `make` under a scheme of its own for all Linears, calibrated on one batch."""
    model = make(0)
    linear, embedding = scheme["linear"], scheme.get("embedding", EMBEDDING)
    plan = quantization_plan.submodule_plan(
        model, submodules=None, exclude_module_types=(), linear=linear, embedding=embedding, attention=ATTENTION,
        custom={"LayerNorm": Scheme(inputs=linear.inputs)},
    )  # fmt: skip
    quantization.apply_plan(model, plan)
    model.train()(input_ids=torch.arange(60).reshape(4, 15))
    return model.eval()


OTHERS = {
    "4 bits, asymmetric, one scale": {"linear": Scheme(inputs=Grid(), weights=Grid(bits=4))},
    "5 bits, asymmetric, by channel": {"linear": Scheme(inputs=Grid(), weights=Grid(bits=5, per_channel=True))},
    "4-bit symmetric activations": {
        "linear": Scheme(inputs=Grid(bits=4, symmetric=True), weights=Grid(bits=6, symmetric=True))
    },
    "outputs": {"linear": Scheme(inputs=Grid(bits=7), weights=Grid(bits=7, symmetric=True), outputs=Grid(bits=6))},
    "float weights": {"linear": Scheme(inputs=Grid(), outputs=Grid(symmetric=True))},
    "rows with scales": {
        "linear": Scheme(inputs=Grid(), weights=Grid(bits=7, symmetric=True)),
        "embedding": Scheme(weights=Grid(bits=5, per_channel=True), outputs=Grid()),
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_grid_that_a_recipe_can_ask_for_is_exported_right(name, make, tmp_path):
    """To the last label, and, where nothing rounds to the other side, to the last digits."""
    model = masked(make, **OTHERS[name])
    write_int8(model, tmp_path / "model.onnx", 20)
    session = open_session(tmp_path / "model.onnx", 1)
    ids = torch.arange(60).reshape(5, 12) % 80
    feeds = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    with torch.no_grad():
        expected = model(**feeds).logits.numpy()
    found = session.run(["logits"], {k: v.numpy() for k, v in feeds.items()})[0]
    assert np.median(np.abs(found - expected)) < 1e-5
    zeros = int8_zeros(tmp_path / "model.onnx").get("bert.encoder.layer.0.intermediate.dense.weight")
    assert zeros is None if name == "float weights" else bool(zeros[:, ::2].all())


def test_two_processes_write_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        subprocess.run([sys.executable, "-c", MAKE, str(tmp_path / name)], check=True)
    for scheme, _ in SCHEMES:
        first, second = ((tmp_path / name / f"{scheme}.onnx").read_bytes() for name in ("a", "b"))
        assert first == second, scheme


def test_exporting_leaves_the_model_as_it_was(make, tmp_path):
    model = make(63)
    load(EXPORTERS["portable"])(model, tmp_path / "model.onnx", 20)
    assert not any(m.training for m in model.modules())
    assert quantization.is_quantized(model)


def test_zeros_of_the_model_are_zeros_of_the_file(make, tmp_path):
    load(EXPORTERS["portable"])(make(63), tmp_path / "model.onnx", 20)
    zeros = int8_zeros(tmp_path / "model.onnx")
    assert len(zeros) == 13  # six Linears a layer, and the classifier
    assert bool(zeros["bert.encoder.layer.0.intermediate.dense.weight"][:, ::2].all())


def test_int8_needs_a_quantized_model(make, tmp_path):
    with pytest.raises(UserError, match="this recipe has no QuantizationModifier"):
        load(EXPORTERS["portable"])(make(0), tmp_path / "model.onnx", 20)


def test_portable_refuses_eight_bits(make, tmp_path):
    with pytest.raises(UserError, match="this model was trained for 8"):
        load(EXPORTERS["portable"])(make(127), tmp_path / "model.onnx", 20)


def test_a_file_that_is_another_model_fails_the_comparison():
    rng = np.random.default_rng(0)
    model = [rng.normal(size=(6, 3)).astype(np.float32) for _ in range(50)]
    check(compare(model, model, 0.0), is_integer=True)
    off = [m + np.float32(0.05) * rng.normal(size=m.shape).astype(np.float32) for m in model]
    with pytest.raises(TargetFailed) as caught:
        check(compare(model, off, -0.01), is_integer=True)
    for broken in (
        "argmax agreement is 0.9",
        "difference of F1 is 0.01, must be <= 0.002",
        "median difference of logits",
    ):
        assert broken in str(caught.value)
