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
