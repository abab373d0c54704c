"""A model whose heads and neurons were cut out: saved twice alike, exported, opened by others, trained on."""

import json
from dataclasses import replace

import pytest
import torch

from sparsebuild import recipe
from sparsebuild.digest import file_digest
from sparsebuild.exporters import agreement
from sparsebuild.steps import export, train
from sparsebuild.training.models import open_dense, open_float_model, open_model
from sparsebuild.training.shapes import shapes

FAST = """
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 2.0}
  - !StructuredPruningModifier {end_epoch: 0.5, cuts: 2, targets: {ffn: 6, heads: 1, layers: 2}, uniform: true}
  - !GlobalFisherPruningModifier {start_epoch: 0.5, end_epoch: 1.5, final_sparsity: 0.5, update_steps: 2}
  - !QuantizationModifier {start_epoch: 1.0, quantize_linear_activations: 0}
"""
STOCK = FAST.replace("heads: 1, ", "")


@pytest.fixture
def built(tmp_path, make_job, listener):
    """`built(recipe, start)` trains and gives the model's folder."""
    from tests.steps.test_train import tiny_model
    from tests.training.conftest import LABELS, write_split

    tiny_model(layers=3).save_pretrained(tmp_path / "start")
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    (tmp_path / "tokenizer").mkdir()
    splits = {name: tmp_path / name for name in ("train", "validation")}
    for folder in splits.values():
        write_split(folder, 12, 0)
    inputs = {"labels": tmp_path / "labels.json", "tokenizer": tmp_path / "tokenizer", **splits}

    def build(text, start=tmp_path / "start", name="first"):
        params = {"recipe": recipe.resolve(recipe.read(text, "r.yaml"), {}).to_json(), "per_device_train_batch_size": 4}
        job = make_job("train", params, model=start, **inputs)
        job = replace(job, out=tmp_path / name, scratch=tmp_path / f"{name}-scratch")
        for folder in (job.out, job.scratch):
            folder.mkdir()
        train.run(job, listener)
        return job.out / "model"

    build.inputs = inputs
    return build


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(1, 25).reshape(2, 12)).logits


def test_two_builds_are_the_same_bytes(built):
    first, second = built(FAST), built(FAST, name="second")
    for name in ("model.safetensors", "structure.json", "config.json"):
        assert file_digest(first / name) == file_digest(second / name), name


def test_a_stranger_opens_what_has_all_its_heads(built):
    from transformers import AutoModelForTokenClassification

    folder = built(STOCK)
    opened, info = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values())
    assert [(s.heads, s.neurons) for s in shapes(opened).values()] == [(2, 6), (2, 6)]
    told = json.loads((folder / "structure.json").read_text())
    assert told["dense"] == {"layers": 3, "heads": 2, "neurons": 16}
    assert [(s.heads, s.neurons) for s in shapes(open_dense(folder)).values()] == [(2, 16)] * 3


def test_the_cards_code_opens_what_a_config_cannot_say(built, monkeypatch):
    from sparsebuild.shipping.snippets import snippets

    folder = built(FAST)
    told = snippets("onnx/model_quantized.onnx", "portable", fits_config=False)
    code = told.partition("### transformers (PyTorch")[2].partition("```python")[2].partition("tokenizer =")[0]
    found: dict = {}
    monkeypatch.chdir(folder)
    exec(code, found)
    assert torch.equal(logits(found["model"]), logits(open_float_model(folder)))


@pytest.mark.parametrize("text", [FAST, FAST.replace("true", "false")])
def test_the_exported_file_is_the_cut_model(built, make_job, listener, text):
    folder = built(text)
    inputs = {name: built.inputs[name] for name in ("labels", "validation")}
    job = make_job("export", {}, model=folder, **inputs)
    export.run(job, listener)
    facts = json.loads((job.out / "export.json").read_text())
    assert facts["agreement"] == 1.0
    assert facts["cut"]["dense"] == {"layers": 3, "heads": 2, "neurons": 16}
    assert len(facts["cut"]["layers"]) == 2
    assert not facts["cut"]["fits_config"]
    assert facts["sparsity"] >= 0.5


def test_a_next_project_goes_on_with_it(built):
    """Cut further, from the network that it was first cut out of."""
    first = built(FAST)
    again = built(FAST.replace("ffn: 6, heads: 1, layers: 2", "ffn: 4"), start=first, name="again")
    assert [(s.heads, s.neurons) for s in shapes(open_model(again)).values()] == [(1, 4)] * 2
    assert json.loads((again / "structure.json").read_text())["dense"] == {"layers": 3, "heads": 2, "neurons": 16}
    assert logits(open_model(again)).isfinite().all()


def test_a_budget_of_a_next_project_is_a_share_of_the_first_network(built):
    text = FAST.replace("end_epoch: 0.5, cuts: 2, ", "").replace("{ffn: 6, heads: 1, layers: 2}", "{%s}")
    again = built(text % "flops: 0.5", start=built(text % "ffn: 6, layers: 2"), name="again")
    kept = json.loads((again / "structure.json").read_text())["budget"]
    assert kept["estimate"] <= kept["asked"] == 0.5
    layers = [(s.heads, s.neurons) for s in shapes(open_model(again)).values()]
    flops = [h * 4 * (4 * 8 + 2 * 128) + n * 2 * 8 for h, n in [*layers, *[(2, 16)] * 3]]
    assert kept["estimate"] == pytest.approx(sum(flops[:2]) / sum(flops[2:]))


def test_a_file_that_is_off_is_held_to_the_model_in_float64(built, make_job, listener, monkeypatch):
    broken = agreement._broken
    monkeypatch.setattr(agreement, "_broken", lambda *given: broken(*given) if given[-1] else ["float32 is off"])
    job = make_job("export", {}, model=built(FAST), **{name: built.inputs[name] for name in ("labels", "validation")})
    export.run(job, listener)
    assert json.loads((job.out / "export.json").read_text())["float32"]["agreement"] == 1.0
