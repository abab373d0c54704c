"""exporters/: every scheme writes the model that was given, byte for byte the same in two processes."""

import contextlib
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import ModernBertConfig, ModernBertForTokenClassification

from sparsebuild.errors import TargetFailed, UserError
from sparsebuild.exporters import EXPORTERS, cpu
from sparsebuild.exporters.agreement import Agreement, check, compare
from sparsebuild.exporters.contents import read
from sparsebuild.exporters.cpu import saturates
from sparsebuild.exporters.int8 import write_int8
from sparsebuild.exporters.runtime import open_session, scheme_of
from sparsebuild.modifiers.parameters import select
from sparsebuild.numerics.quantization_scheme import ATTENTION, EMBEDDING, Grid, Scheme
from sparsebuild.registry import load
from sparsebuild.steps.export import _zeros
from sparsebuild.training import quantization, quantization_plan

MAKE = """
import sys, torch
from transformers import BertConfig, BertForTokenClassification
from sparsebuild.registry import load
from sparsebuild.exporters import EXPORTERS, GRIDS
from sparsebuild.training import quantization, quantization_plan
from sparsebuild.numerics.quantization_scheme import EMBEDDING, Grid, Scheme, linear_scheme
from dataclasses import replace
from pathlib import Path

FLOATS = {"fp32", "fp16"}

def model(scheme):
    torch.manual_seed(0)
    config = BertConfig(vocab_size=80, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=32, num_labels=3)
    made = BertForTokenClassification(config)
    with torch.no_grad():
        made.bert.encoder.layer[0].intermediate.dense.weight[:, ::2] = 0.0
        made.bert.embeddings.word_embeddings.weight[:, ::3] = 0.0
    if scheme not in FLOATS:
        grid = dict(GRIDS.get(scheme, {}))
        around = grid.pop("symmetric_activations", False)
        inputs, linear = Grid(symmetric=around), linear_scheme(**{"weight_levels": 63, **grid})
        plan = quantization_plan.submodule_plan(
            made, submodules=None, exclude_module_types=(), linear=replace(linear, inputs=inputs), embedding=EMBEDDING,
            attention=Scheme(inputs=inputs), custom={})
        quantization.apply_plan(made, plan)
        made.train()
        made(input_ids=torch.arange(60).reshape(4, 15))
    return made.eval()

if __name__ == "__main__":
    for scheme in sys.argv[3:]:
        load(EXPORTERS[scheme])(model(scheme), Path(sys.argv[1]) / f"{scheme}.onnx", 20, sys.argv[2])
"""
CLOSE = dict.fromkeys(EXPORTERS, 1e-5) | {"fp16": 2e-3}  # of logits


@pytest.fixture(scope="module")
def make():
    space = {"__name__": "made"}
    exec(MAKE, space)
    return space["model"]


def write_twice(tmp_path, exporter, *schemes):
    """Files of the schemes, written by two processes: two folders."""
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    running = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(folder), exporter, *schemes], stderr=subprocess.PIPE)
        for folder in folders
    ]
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    return folders


def difference(path, model):
    """The largest difference of logits between the file and the model, over two shapes of batches."""
    session, found = open_session(path, 1), 0.0
    if cpu.caution(scheme_of(session)):  # products of 8 bits mean something else here, unless they are left in float
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for shape in ((1, 3), (5, 12)):
        ids = torch.arange(shape[0] * shape[1]).reshape(shape) % 80
        mask = torch.ones_like(ids)
        mask[0, -1] = 0
        feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "token_type_ids": np.zeros(shape, np.int64)}
        with torch.no_grad():
            expected = model(input_ids=ids, attention_mask=mask).logits.numpy()
        found = max(found, float(np.abs(session.run(["logits"], feeds)[0] - expected).max()))
    return found


def masked(make, **scheme):
    """The model of `make` under a scheme of its own for all Linears, calibrated on one batch."""
    model = make("fp32")
    linear, embedding = scheme["linear"], scheme.get("embedding", EMBEDDING)
    plan = quantization_plan.submodule_plan(
        model, submodules=None, exclude_module_types=(), linear=linear, embedding=embedding,
        attention=scheme.get("attention", ATTENTION),
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
    "tables with one asymmetric scale": {
        "linear": Scheme(inputs=Grid(), weights=Grid(bits=7, symmetric=True)),
        "embedding": Scheme(weights=Grid(bits=6)),
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_grid_that_a_recipe_can_ask_for_is_exported_right(name, make, tmp_path):
    """To the last label, and, where nothing rounds to the other side, to the last digits."""
    model = masked(make, **OTHERS[name])
    write_int8(model, tmp_path / "model.onnx", 20, "torchscript", "portable")
    session = open_session(tmp_path / "model.onnx", 1)
    ids = torch.arange(60).reshape(5, 12) % 80
    feeds = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    with torch.no_grad():
        expected = model(**feeds).logits.numpy()
    found = session.run(["logits"], {k: v.numpy() for k, v in feeds.items()})[0]
    assert np.median(np.abs(found - expected)) < 1e-5
    tensors = {t.name: t for t in read(tmp_path / "model.onnx").tensors}
    assert bool(tensors["bert.encoder.layer.0.intermediate.dense.weight"].is_zero[:, ::2].all())
    if (words := tensors["bert.embeddings.word_embeddings.weight"]).type == "int8":
        assert bool(words.is_zero[:, ::3].all())
        assert words.sparsity < 0.8


def test_a_model_of_which_one_layer_is_quantized_is_exported_right(make, tmp_path):
    model = make("fp32")
    quantization.quantize(model, submodules=["bert.encoder.layer.0", "classifier"], embeddings=False)
    model.train()(input_ids=torch.arange(60).reshape(4, 15))
    write_int8(model.eval(), tmp_path / "model.onnx", 20, "torchscript", "portable")
    assert difference(tmp_path / "model.onnx", model) < 1e-5


@pytest.mark.parametrize("scheme", EXPORTERS)
def test_the_file_computes_what_the_model_does(scheme, make, tmp_path):
    model = make(scheme)
    load(EXPORTERS[scheme])(model, tmp_path / "model.onnx", 20)
    assert difference(tmp_path / "model.onnx", model) < CLOSE[scheme]


def test_two_processes_write_the_same_bytes_and_nothing_of_this_machine(tmp_path):
    first, second = write_twice(tmp_path, "torchscript", *EXPORTERS)
    for scheme in EXPORTERS:
        data = (first / f"{scheme}.onnx").read_bytes()
        assert data == (second / f"{scheme}.onnx").read_bytes(), scheme
        assert not traces_of_here(data), scheme


@pytest.mark.slow
def test_the_newer_exporter_writes_the_same_model_and_the_same_bytes_twice(make, tmp_path):
    pytest.importorskip("onnxscript")
    first, second = write_twice(tmp_path, "dynamo", "portable")
    data = (first / "portable.onnx").read_bytes()
    assert data == (second / "portable.onnx").read_bytes()
    assert not traces_of_here(data)
    model = make("portable")
    assert difference(first / "portable.onnx", model) < CLOSE["portable"]
    load(EXPORTERS["portable"])(model, tmp_path / "older.onnx", 20)
    newer, older = read(first / "portable.onnx"), read(tmp_path / "older.onnx")
    assert [(t.name, t.type, t.zeros) for t in newer.tensors] == [(t.name, t.type, t.zeros) for t in older.tensors]
    assert (newer.inputs, newer.outputs, newer.opset) == (older.inputs, older.outputs, 20)
    forms = {onnx.load(str(path)).ir_version for path in (first / "portable.onnx", tmp_path / "older.onnx")}
    assert forms == {onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", 20)])}


def traces_of_here(data):
    """What a file tells of this machine, of whom it belongs to, and of the code that wrote it."""
    here = {str(Path.home()), str(Path(__file__).parents[2]), sys.prefix, socket.gethostname(), "site-packages", ".py"}
    return [text for text in sorted(here) if len(text) > 2 and text.encode() in data]


def test_nothing_of_this_machine_stays_in_any_part_of_a_file():
    from sparsebuild.exporters.base import _clean

    note = {"doc_string": "/home/ada/model.py"}
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1], **note)
    made = onnx.helper.make_node("Constant", [], ["y"], value_floats=[1.0], **note)
    branch = onnx.helper.make_graph([made], "branch", [], [out], **note)
    choice = onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    given = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.BOOL, [1])
    graph = onnx.helper.make_graph([choice], "g", [given], [out], value_info=[out])
    opset = [onnx.helper.make_opsetid("", 18)]
    function = onnx.helper.make_function("own", "f", [], ["y"], [made], opset, **note)
    model = onnx.helper.make_model(graph, opset_imports=opset, functions=[function])
    function_note = model.functions[0].metadata_props.add()
    function_note.key, function_note.value = "traced", "/home/ada/model.py"
    _clean(model, "portable")
    assert b"ada" not in model.SerializeToString()


def test_without_its_package_the_newer_exporter_says_what_to_install(make, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError) as caught:
        load(EXPORTERS["fp32"])(make("fp32"), tmp_path / "model.onnx", 20, "dynamo")
    assert str(caught.value) == (
        "error: the exporter `dynamo` needs onnxscript, which is not installed\n\n"
        "hint: pip install 'sparsebuild[dynamo]', or leave `export.exporter` out"
    )


def test_exporting_leaves_the_model_as_it_was(make, tmp_path):
    model = make("portable")
    load(EXPORTERS["portable"])(model, tmp_path / "model.onnx", 20)
    assert not any(m.training for m in model.modules())
    assert any(quantization.quantized_modules(model))


@pytest.mark.parametrize("scheme", EXPORTERS)
def test_zeros_of_the_model_are_zeros_of_the_file(scheme, make, tmp_path):
    load(EXPORTERS[scheme])(make(scheme), tmp_path / "model.onnx", 20)
    tensors = {t.name: t for t in read(tmp_path / "model.onnx").tensors}
    assert len(tensors) == 16  # six Linears a layer, the classifier, three tables
    pruned = tensors["bert.encoder.layer.0.intermediate.dense.weight"]
    assert (pruned.shape, pruned.two_of_four) == ([32, 16], True)
    assert bool(pruned.is_zero[:, ::2].all())


@pytest.mark.parametrize("scheme", EXPORTERS)
def test_whatever_a_recipe_prunes_can_be_exported(scheme, make, tmp_path):
    model = make(scheme)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.flatten()[::2] = 0.0
    load(EXPORTERS[scheme])(model, tmp_path / "model.onnx", 20)
    file = read(tmp_path / "model.onnx")
    for params in (documented_params(), ["re:bert.encoder.layer.*weight"], ["__ALL__"]):  # the last two mean norms too
        assert _zeros(model, select(model, params, ""), file)["sparsity"] >= 0.5
    assert not any("LayerNorm" in name for name in select(model, documented_params(), ""))
    bias = "bert.encoder.layer.0.attention.self.query.bias"
    file = replace(file, vectors={**file.vectors, bias: np.zeros(16, bool)})
    with pytest.raises(TargetFailed, match=r"error: 16 of the \d+ zeros of the model are not zero"):
        _zeros(model, [bias], file)


def documented_params():
    """What the page on released recipes says to write in place of T5's names."""
    page = Path(__file__).parents[2] / "docs/recipes/released.md"
    (found,) = re.findall(r"params: \[(.*?)\]`", page.read_text())
    return re.findall("'(.*?)'", found)


def test_what_tensorrt_multiplies_is_symmetric_and_its_tables_are_float(make, tmp_path):
    load(EXPORTERS["tensorrt"])(make("tensorrt"), tmp_path / "model.onnx", 20)
    graph = onnx.load(str(tmp_path / "model.onnx")).graph
    made = {n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in graph.node if n.op_type == "Constant"}
    same = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Identity"}
    made |= {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    rounding = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zero_points = [made[same.get(node.input[2], node.input[2])] for node in rounding]
    assert len(zero_points) == 47
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zero_points)
    kinds = {t.name: t.type for t in read(tmp_path / "model.onnx").tensors}
    assert kinds["bert.embeddings.word_embeddings.weight"] == "float32"
    assert kinds["classifier.weight"] == "int8"


@pytest.mark.parametrize("bits", [4, 7])
def test_tensorrt_has_its_zero_points_at_0_for_activations_of_fewer_bits_too(bits, make, tmp_path):
    around = Grid(bits=bits, symmetric=True)
    linear = Scheme(inputs=around, weights=Grid(symmetric=True, per_channel=True))
    model = masked(make, linear=linear, attention=Scheme(inputs=around))
    write_int8(model, tmp_path / "model.onnx", 20, "torchscript", "tensorrt", tables=False, signed=True)
    graph = onnx.load(str(tmp_path / "model.onnx")).graph
    rounding = {node.input[2] for node in graph.node if node.op_type == "QuantizeLinear"}
    made = {n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t) for n in graph.node if n.op_type == "Constant"}
    same = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Identity"}
    made |= {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = [made[same.get(name, name)] for name in rounding]
    assert {(str(zero.dtype), int(zero)) for zero in found if zero.dtype == np.int8} == {("int8", 0)}
    assert difference(tmp_path / "model.onnx", model) < 1e-5


def test_tensorrt_refuses_a_model_that_was_trained_for_asymmetric_activations(make, tmp_path):
    with pytest.raises(UserError, match="scheme `tensorrt` wants symmetric activations, but this model was trained"):
        load(EXPORTERS["tensorrt"])(make("ort-cpu"), tmp_path / "model.onnx", 20)


def test_rotary_positions_are_as_exact_in_half_precision_far_into_a_sentence(tmp_path):
    torch.manual_seed(0)
    sizes = {"vocab_size": 80, "hidden_size": 64, "num_attention_heads": 1, "intermediate_size": 32}
    depth = {"num_hidden_layers": 2, "global_attn_every_n_layers": 1, "max_position_embeddings": 400}
    wide = {"initializer_range": 0.2, "pad_token_id": 0}  # so that it matters which piece is looked at
    model = ModernBertForTokenClassification(ModernBertConfig(**sizes, **depth, **wide)).eval()
    load(EXPORTERS["fp16"])(model, tmp_path / "model.onnx", 20)
    ids = torch.randint(3, 80, (1, 400))
    feeds = {"input_ids": ids.numpy(), "attention_mask": np.ones((1, 400), np.int64)}
    (found,) = open_session(tmp_path / "model.onnx", 1).run(["logits"], feeds)
    with torch.no_grad():
        np.testing.assert_allclose(found, model(input_ids=ids).logits.numpy(), rtol=0, atol=5e-3)


def test_the_file_tells_its_scheme(make, tmp_path):
    load(EXPORTERS["ort-cpu"])(make("ort-cpu"), tmp_path / "model.onnx", 20)
    assert scheme_of(open_session(tmp_path / "model.onnx", 1)) == "ort-cpu"


def test_products_saturate_on_x86_without_vnni_alone():
    assert saturates("x86_64", ["avx2", "avx512f"])
    assert not saturates("x86_64", ["avx2", "avx_vnni"])
    assert not saturates("x86_64", [])  # nobody knows
    assert not saturates("aarch64", ["asimd"])


def test_who_uses_eight_bits_on_such_a_cpu_is_told(monkeypatch):
    monkeypatch.setattr(cpu, "_flags", lambda: {"avx2"})
    monkeypatch.setattr(cpu.platform, "machine", lambda: "x86_64")
    assert cpu.caution("portable") == ""
    assert cpu.caution("ort-cpu") == (
        "this CPU has no VNNI: products of 8-bit weights saturate, and a file of scheme `ort-cpu` gives other "
        "answers here; `portable` gives the same everywhere"
    )


def test_int8_needs_a_quantized_model(make, tmp_path):
    with pytest.raises(UserError, match="quantized in training, and this one was not"):
        load(EXPORTERS["portable"])(make("fp32"), tmp_path / "model.onnx", 20)


def test_portable_refuses_eight_bits(make, tmp_path):
    with pytest.raises(UserError, match="this model was trained for 8"):
        load(EXPORTERS["portable"])(make("ort-cpu"), tmp_path / "model.onnx", 20)


FEW = {"words": 150, "entities": 150}
SAME = Agreement(agreement=1.0, f1_difference=0.0, median_logit_difference=0.0, largest_logit_difference=0.0)


def held(found, scheme, **counts):
    """Hold a file to its model, which is the same in float64."""
    return check(found, scheme, **counts, exact=lambda: (found, SAME))


def test_a_file_that_is_another_model_fails_the_comparison():
    rng = np.random.default_rng(0)
    model = [rng.normal(size=(6, 3)).astype(np.float32) for _ in range(50)]
    held(compare(model, model, 0.0), "portable", words=300, entities=2000)
    off = [m + np.float32(0.05) * rng.normal(size=m.shape).astype(np.float32) for m in model]
    with pytest.raises(TargetFailed) as caught:
        held(compare(model, off, -0.01), "portable", words=300, entities=2000)
    for broken in (
        "argmax agreement is 0.9",
        "difference of F1 is 0.01, must be <= 0.005",
        "median difference of logits",
    ):
        assert broken in str(caught.value)


def test_a_file_is_held_to_the_model_in_float64_where_float32_is_off():
    model = [np.eye(3, dtype=np.float32)] * 50

    def differing(by):
        return compare(model, [m + np.float32(by) for m in model], 0.0)

    for file, itself in ((0.0, 0.05), (0.05, 0.03)):  # the tie was torch's; both fall where they fall
        known = differing(file), differing(itself)
        assert check(differing(0.05), "portable", **FEW, exact=lambda known=known: known) == known
    with pytest.raises(TargetFailed, match=r"median difference of logits is 0\.05, must be < 0\.04"):
        check(differing(0.05), "portable", **FEW, exact=lambda: (differing(0.05), differing(0.02)))


def test_labels_and_f1_may_differ_twice_as_much_as_the_model_s_own():
    same = [np.eye(2, dtype=np.float32)[[0]]] * 3000
    some = [m[:, ::-1] for m in same[:9]] + same[9:]
    bad = compare(same, some, 0.009)
    own = compare(same, [m[:, ::-1] for m in same[:5]] + same[5:], -0.005)
    assert check(bad, "portable", words=3000, entities=2000, exact=lambda: (bad, own)) == (bad, own)
    with pytest.raises(TargetFailed, match=r"argmax agreement is 0\.997, must be >= 0\.999"):
        check(bad, "portable", words=3000, entities=2000, exact=lambda: (bad, compare(same, same, -0.005)))


def test_logits_that_are_no_numbers_agree_with_nothing():
    model = [np.eye(3), np.array([[1.0, 0.0, 0.0]])]
    broken = [model[0], np.full((1, 3), np.nan)]  # whose best label is the first, as the model's is
    with pytest.raises(TargetFailed, match="no numbers for 1 of 2 validation sentences"):
        compare(model, broken, 0.0)


@pytest.mark.parametrize(("entities", "holds"), [(150, True), (400, False), (2000, False)])
def test_of_few_rows_two_entities_may_fare_otherwise(entities, holds):
    same = [np.eye(3, dtype=np.float32)] * 50
    with contextlib.nullcontext() if holds else pytest.raises(TargetFailed, match="difference of F1"):
        held(compare(same, same, 0.01), "portable", words=150, entities=entities)


@pytest.mark.parametrize(
    ("others", "words", "holds"), [(2, 100, True), (3, 100, False), (2, 1500, True), (3, 1500, False), (3, 3000, True)]
)
def test_of_few_rows_two_words_may_be_labelled_otherwise(others, words, holds):
    model = [np.eye(2, dtype=np.float32)[[0]]] * words
    file = [m[:, ::-1] for m in model[:others]] + model[others:]
    with contextlib.nullcontext() if holds else pytest.raises(TargetFailed, match="argmax agreement"):
        held(compare(model, file, 0.0), "fp16", words=words, entities=2000)
