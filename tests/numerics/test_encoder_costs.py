"""What heads and neurons cost by count, against models that are counted."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForTokenClassification

from sparsebuild.errors import UserError
from sparsebuild.numerics.encoder_costs import EncoderSizes, flops_costs, parameter_costs
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training.shapes import layer_names, resize

SIZES = EncoderSizes(layers=2, hidden=32, heads=4, head_width=8, neurons=48)
DENSE = [LayerShape(heads=4, neurons=48)] * 2
CUT = [LayerShape(heads=1, neurons=16), LayerShape(heads=3, neurons=5)]


def encoder(shapes: list[LayerShape]) -> torch.nn.Module:
    config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
    config._attn_implementation = "eager"  # a fused one is not counted
    model = BertForTokenClassification(config).eval()
    resize(model, dict(zip(layer_names(model), shapes, strict=True)))
    return model


def flops(model: torch.nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.bert(input_ids=torch.ones(1, 128, dtype=torch.long))
    return counter.get_total_flops()


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.bert.encoder.parameters())


@pytest.mark.parametrize(("costs", "counted"), [(flops_costs, flops), (parameter_costs, parameters)])
def test_a_share_is_that_of_what_is_counted_in_the_model(costs, counted) -> None:
    table = costs(SIZES, range(1, 5), range(1, 49))
    assert table.of(DENSE) == pytest.approx(1)
    assert table.of(CUT) == pytest.approx(counted(encoder(CUT)) / counted(encoder(DENSE)))


def test_a_gated_neuron_has_one_more_row() -> None:
    one, other = (
        parameter_costs(EncoderSizes(layers=1, hidden=8, heads=1, head_width=8, neurons=8, is_gated=gated), [1], [8])
        for gated in (False, True)
    )
    rows = (other.neurons[0][8] / other.heads[0][1]) / (one.neurons[0][8] / one.heads[0][1])
    assert rows == pytest.approx((3 * 8 + 2) / (2 * 8 + 1))


def test_a_layer_that_is_to_become_wider_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        encoder([LayerShape(heads=4, neurons=64)] * 2)
    assert str(caught.value) == (
        "error: `bert.encoder.layer.0` has 4 heads and 48 neurons, and is to have 4 heads and 64 neurons: "
        "layers only get narrower"
    )
