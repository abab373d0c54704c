"""training/claims.py: what was promised and is not in the files fails the target."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Promise
from sparsebuild.training.claims import check_saved
from sparsebuild.training.loop import train
from sparsebuild.training.models import save_model
from sparsebuild.training.quantization import quantized_modules
from sparsebuild.training.quantization_plan import is_attention
from sparsebuild.training.structure import dense_shape, observed_structure

NAME = "bert.encoder.layer.0.output.dense.weight"


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A training with pruning and quantization, to its end."""
    run = tiny.training(tmp_path_factory.mktemp("claims"))
    return run, train(run)


@pytest.fixture
def saved(trained, tmp_path):
    """Save it, break it with `harm(folder)`, check it: what is told, or nothing."""
    run, end = trained

    def check(harm=lambda folder: None, promises=end.promises):
        save_model(run.model, observed_structure(run.model, end.masks), tmp_path)
        harm(tmp_path)
        try:
            check_saved(run.model, end.masks, promises, tmp_path)
        except TargetFailed as error:
            return str(error)
        return ""

    return check


def weights(change):
    def harm(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return harm


def structure(change):
    def harm(folder):
        data = json.loads((folder / "structure.json").read_text())
        change(data)
        (folder / "structure.json").write_text(json.dumps(data))

    return harm


def test_what_was_trained_is_what_was_promised(saved, trained):
    assert saved() == ""
    assert {p.modifier for p in trained[1].promises} == {"GlobalFisherPruningModifier", "QuantizationModifier"}


def test_a_zero_that_is_none(saved, trained):
    def change(tensors):
        tensors[NAME][trained[1].masks[NAME] == 0] = 1e-30

    assert f"`{NAME}` was promised {zeros(trained)} zeros, and some are not zero in the file" in saved(weights(change))


def zeros(trained):
    return int((trained[1].masks[NAME] == 0).sum())


def test_a_sparsity_that_the_schedule_did_not_end_with(saved, trained):
    promise = trained[1].promises[0]
    one_more = Promise(modifier=promise.modifier, parameters=promise.parameters, zeros=promise.zeros + 1)
    said = saved(promises=[one_more])
    assert (
        f"GlobalFisherPruningModifier promised {promise.zeros + 1} zeros in {len(promise.parameters)} tensors" in said
    )
    assert f"{promise.zeros} are held at zero" in said
    too_many = Promise(modifier=promise.modifier, parameters=promise.parameters, zeros=promise.zeros - 1)
    assert f"promised {promise.zeros - 1} zeros" in saved(promises=[too_many])


def test_a_module_that_is_not_quantized(saved):
    plan = Promise(modifier="QuantizationModifier", modules=("bert.encoder", "classifier"))
    assert saved(promises=[plan]) == (
        "error: `bert.encoder` was promised to be a quantized module, and is none in the saved model"
    )

    def change(data):
        data["linears"].remove("classifier")
        del data["ranges"]["classifier.input_quantizer"]

    said = saved(structure(change))
    assert "`classifier` was trained as a quantized module, and is none in the saved model" in said
    assert "`classifier` was promised to be a quantized module, and is none in the saved model" in said


def test_a_structure_that_counts_otherwise_or_is_missing(saved, trained):
    def change(data):
        data["masked"][NAME]["zeros"] += 1

    count = zeros(trained)
    assert saved(structure(change)) == (
        f"error: structure.json says that {count + 1} weights of `{NAME}` are held at zero, and {count} are"
    )
    assert "structure.json is missing" in saved(lambda folder: (folder / "structure.json").unlink())


def test_zeros_that_do_not_lie_as_their_kind_wants(saved):
    def change(data):
        data["masked"][NAME]["mask_type"] = "1:4"

    assert saved(structure(change)) == f"error: the zeros of `{NAME}` do not lie as `mask_type: 1:4` wants them"


def test_a_range_or_a_weight_that_computes_something_else(saved):
    def wider(data):
        data["ranges"]["classifier.input_quantizer"][1] *= 1.5

    def larger(tensors):
        tensors["classifier.bias"] += 1e-3

    for harm in (structure(wider), weights(larger)):
        assert saved(harm) == "error: the saved model does not compute what the trained one does"


def test_a_tensor_that_is_not_there(saved):
    assert "missing or unexpected tensors: classifier.bias" in saved(weights(lambda t: t.pop("classifier.bias")))


def test_each_parameter_keeps_its_own_promise(tiny, tmp_path):
    recipe = """
    modifiers:
      - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 2.0}
      - !GMPruningModifier {start_epoch: 0.0, end_epoch: 1.5, init_sparsity: 0.05, update_frequency: 0.5, params: [],
          final_sparsity: {0.3: ["re:.*query.weight"], 0.71: ["re:.*key.weight"]}}
    """
    run = tiny.training(tmp_path, text=recipe, epochs=2)
    end = train(run)
    promised = {p.parameters[0]: p.zeros for p in end.promises}
    assert promised == {f"bert.encoder.layer.{i}.attention.self.{n}.weight": z for i in (0, 1) for n, z in WANTED}
    assert {name: int((mask == 0).sum()) for name, mask in end.masks.items()} == promised
    assert all(torch.count_nonzero(run.model.get_parameter(n) == 0) >= z for n, z in promised.items())


SPARSE = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 2.0}
  - !ConstantPruningModifier {params: ["re:.*query.weight"]}
  - !MovementPruningModifier {start_epoch: 0.0, end_epoch: 1.5, init_sparsity: 0.0, final_sparsity: 0.5,
      update_frequency: 0.5, params: ["re:.*query.weight"]}
"""


def test_what_was_zero_before_may_be_more_than_a_ramp_promised(tiny, tmp_path):
    run = tiny.training(tmp_path / "run", text=SPARSE, epochs=2)
    query = run.model.get_parameter("bert.encoder.layer.0.attention.self.query.weight")
    with torch.no_grad():
        query[:, ::3] = 0.0
    end = train(run)
    assert int((query == 0).sum()) > query.numel() / 2
    save_model(run.model, observed_structure(run.model, end.masks), tmp_path / "saved")
    check_saved(run.model, end.masks, end.promises, tmp_path / "saved")


WANTED = [("query", round(0.3 * 256)), ("key", round(0.71 * 256))]


CUTS = """
modifiers:
  - !StructuredPruningModifier {start_epoch: 0.5, end_epoch: 1.5, cuts: 2, targets: {ffn: 12, heads: 1}}
  - !QuantizationModifier {start_epoch: 2.0}
"""


@pytest.fixture(scope="module")
def cut(tiny, tmp_path_factory):
    run = tiny.training(tmp_path_factory.mktemp("cut"), text=CUTS)
    dense = dense_shape(run.model, tmp_path_factory.mktemp("nothing"))
    return run, train(run), dense


def test_a_cut_model_opens_with_its_shapes_and_its_rounding(cut, tmp_path):
    run, end, dense = cut
    save_model(run.model, observed_structure(run.model, end.masks, end.mask_types, dense), tmp_path)
    check_saved(run.model, end.masks, end.promises, tmp_path)
    assert json.loads((tmp_path / "structure.json").read_text())["dense"] == {"layers": 2, "heads": 2, "neurons": 32}


def test_a_layer_that_is_wider_than_promised(cut, tmp_path):
    run, end, dense = cut
    save_model(run.model, observed_structure(run.model, end.masks, end.mask_types, dense), tmp_path)
    (promise,) = [p for p in end.promises if p.shapes]
    wanted = {name: replace(shape, neurons=11) for name, shape in promise.shapes.items()}
    with pytest.raises(TargetFailed, match=r"promised `bert.encoder.layer.0` 1 heads and 11 neurons; .* 12 neurons"):
        check_saved(run.model, end.masks, [replace(promise, shapes=wanted)], tmp_path)


def test_of_several_cuts_the_narrowest_is_what_is_promised(tiny, tmp_path):
    text = "modifiers:\n" + "".join(
        f"  - !StructuredPruningModifier {{start_epoch: {start}, score: magnitude, targets: {targets}}}\n"
        for start, targets in ((0, "{heads: 1}"), (0.2, "{ffn: 20}"), (0.5, "{ffn: 16}"), (0.7, "{ffn: 18}"))
    )
    run = tiny.training(tmp_path, text=text, epochs=1)
    dense, end = dense_shape(run.model, tmp_path), train(run)
    save_model(run.model, observed_structure(run.model, {}, {}, dense), tmp_path)
    check_saved(run.model, end.masks, end.promises, tmp_path)


@pytest.mark.parametrize(
    "part", ["submodules: [bert.encoder.layer.0, classifier]", "scheme: default, ignore: [bert.encoder.layer.1]"]
)
def test_attention_of_a_layer_that_is_not_quantized_stays_in_float(part, tiny, tmp_path):
    run = tiny.training(
        tmp_path, text=f"modifiers:\n  - !QuantizationModifier {{start_epoch: 0.5, {part}}}\n", epochs=1
    )
    end = train(run)
    attentions = [n for n, m in quantized_modules(run.model) if is_attention(m)]
    assert attentions == ["bert.encoder.layer.0.attention.self"]
    save_model(run.model, observed_structure(run.model, end.masks), tmp_path)
    check_saved(run.model, end.masks, end.promises, tmp_path)
