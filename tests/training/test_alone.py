"""training/alone.py: one layer changed, the others as they were."""

import numpy as np
import pytest
import torch
from torch import nn

from sparsebuild.training.alone import covering, input_ranges, layers, pruned_alone, quantized_alone, shift
from sparsebuild.training.quantization import QuantizedLinear, quantize


@pytest.fixture
def model():
    torch.manual_seed(0)
    inner = nn.ModuleDict({"a": nn.Linear(6, 5), "b": nn.Linear(5, 4)})
    return nn.ModuleDict({"table": nn.Embedding(9, 6), "inner": inner, "classifier": nn.Linear(4, 3)})


def test_layers_are_linears_and_tables_but_not_the_classifier(model):
    assert list(layers(model)) == ["table", "inner.a", "inner.b"]


def test_pruning_takes_a_share_of_what_is_left_and_gives_it_back(model):
    linear = model["inner"]["a"]
    with torch.no_grad():
        linear.weight[:, ::2] = 0  # 15 of 30
    before = linear.weight.clone()
    smallest = before.abs()[before != 0].min()
    with pruned_alone(linear, 0.4) as told:
        assert told == (0.5, pytest.approx(0.7))
        assert int((linear.weight == 0).sum()) == 21
        assert not (linear.weight.abs() == smallest).any()
    assert torch.equal(linear.weight, before)


def test_quantizing_is_what_training_with_quantization_computes(model):
    linear, x = model["inner"]["a"], torch.randn(7, 6)
    expected = nn.ModuleDict({"a": nn.Linear(6, 5)})
    expected["a"].load_state_dict(linear.state_dict())
    quantize(expected, weight_levels=63)
    assert isinstance(expected["a"], QuantizedLinear)
    expected["a"].train()(x)  # the observer takes the range of its first batch as it is
    plain = linear(x)
    with quantized_alone(linear, (float(x.min()), float(x.max())), 63):
        assert torch.equal(linear(x), expected["a"].eval()(x))
    assert torch.equal(linear(x), plain)


def test_ranges_are_those_of_all_inputs_and_hold_zero(model):
    found = {}
    with input_ranges(model, found):
        for value in (2.0, 5.0):
            model["inner"]["a"](torch.full((1, 6), value))
    assert found == {"inner.a": (0.0, 5.0)}


def test_answers_that_are_the_same_have_not_moved():
    draw = np.random.default_rng(0)
    said = [draw.normal(size=(n, 3)) for n in (2, 0, 4)]
    assert shift(said, said) == 0
    assert 0 < shift(said, [s * 1.01 for s in said]) < shift(said, [s * 2 for s in said])
    one, other = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    assert shift([one], [other]) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(0.5 / 0.75))


def test_submodules_cover_what_is_kept_and_nothing_that_is_left_out(model):
    known = layers(model)
    head = {"classifier": model["classifier"]}
    assert covering(model, known | head, []) == ["table", "inner", "classifier"]
    kept = {name: module for name, module in known.items() if name != "inner.a"}
    assert covering(model, kept | head, ["inner.a"]) == ["table", "inner.b", "classifier"]
