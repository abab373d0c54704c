"""What a model brings along to its training."""

import json

import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.training import quantization
from sparsebuild.training.arrival import brought_along
from sparsebuild.training.models import open_pretrained


@pytest.fixture
def model(model_folder):
    return open_pretrained(model_folder, json.loads((model_folder / "labels.json").read_text()), 0.0, 3)


def told(model, text):
    specs = modifiers.specs(recipe.resolve(recipe.read(f"modifiers:\n{text}", "r.yaml")))
    return list(brought_along(model, specs))


def test_of_a_dense_float_model_nothing_is_told(model):
    assert told(model, "  - !EpochRangeModifier {start_epoch: 0, end_epoch: 1}\n") == []


@pytest.mark.parametrize(
    ("had", "said"),
    [
        (["I-person", "O", "B-person"], []),
        (["O", "B-place"], ["the model's classifier is for other labels (O, B-place), and gives way to a fresh one"]),
    ],
)
def test_a_classifier_that_gives_way_is_told(model, had, said):
    assert [sentence for sentence, _ in brought_along(model, [], had)] == said


def test_zeros_that_nothing_keeps_are_a_warning(model):
    with torch.no_grad():
        model.bert.encoder.layer[0].intermediate.dense.weight[:16] = 0
    arrives = "the model arrives with 6.2% of its prunable weights at zero"
    lost = f"{arrives}, and nothing keeps them there: ConstantPruningModifier would"
    assert told(model, "  - !EpochRangeModifier {start_epoch: 0, end_epoch: 1}\n") == [(lost, "warning")]
    assert told(model, "  - !StructuredPruningModifier {targets: {ffn: 16}}\n") == [(lost, "warning")]
    assert told(model, "  - !ConstantPruningModifier {params: __ALL_PRUNABLE__}\n") == [(arrives, "info")]


def test_zeros_that_only_some_modifier_keeps_are_counted(model):
    with torch.no_grad():
        for layer in model.bert.encoder.layer[:2]:
            layer.intermediate.dense.weight[:16] = 0
    size = model.bert.encoder.layer[0].intermediate.dense.weight[:16].numel()
    entry = "  - !GMPruningModifier {start_epoch: 0, end_epoch: 1, init_sparsity: 0.1, final_sparsity: 0.5, "
    (sentence, level), *_ = told(model, f"{entry}update_frequency: 0.5, params: ['re:.*layer.0.*dense.weight']}}\n")
    assert level == "warning"
    assert sentence.endswith(f", and nothing keeps {size} of these zeros there: ConstantPruningModifier would")


def test_what_is_quantized_already_is_told(model):
    count = len(quantization.quantize(model))
    (sentence, level), *_ = told(model, "  - !QuantizationModifier {start_epoch: 1}\n")
    assert (level, sentence.split(",")[0]) == ("info", f"the model arrives quantized: {count} modules")


@pytest.mark.parametrize(
    ("asked", "differing"),
    [
        ("", ""),
        ("weight_bits: 5", "weights of 5 bits, not 7 ({linears} modules), weights of 5 bits, not 8 ({tables} modules)"),
        ("tensorrt: true", "symmetric inputs ({around} modules)"),
        ("submodules: [classifier]", "inputs in float ({others} modules), weights in float ({left} modules)"),
    ],
)
def test_what_the_recipe_would_quantize_otherwise_is_a_warning(model, asked, differing):
    quantization.quantize(model)
    there = [type(module).__name__ for _, module in quantization.quantized_modules(model)]
    linears, tables = (there.count(f"Quantized{kind}") for kind in ("Linear", "Embedding"))
    counts = {"linears": linears, "tables": tables, "around": len(there) - tables}
    counts |= {"others": len(there) - tables - 1, "left": linears - 1}
    (_, *warned) = told(model, f"  - !QuantizationModifier {{start_epoch: 1, {asked}}}\n")
    begins = "QuantizationModifier changes nothing in what arrives quantized, and asks for something else: "
    assert warned == ([(begins + differing.format(**counts), "warning")] if differing else [])
