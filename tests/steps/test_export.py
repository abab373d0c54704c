"""The step `export`: every weight that training held at zero is looked for in the file."""

import pytest
import torch

from sparsebuild.errors import TargetFailed
from sparsebuild.exporters.contents import Contents, _counted
from sparsebuild.steps.export import _zeros

LAYER, HEAD = "model.layers.0.mlp.Wo.weight", "head.dense.weight"


def zeros(changes):
    """What is found in a file of two half-empty matrices, one of them the head's, after `changes`."""
    model = torch.nn.Module()
    for name in (LAYER, HEAD, "classifier.weight"):
        path, _, leaf = name.rpartition(".")
        inner = model
        for part in path.split("."):
            if not hasattr(inner, part):
                inner.add_module(part, torch.nn.Module())
            inner = getattr(inner, part)
        inner.register_parameter(leaf, torch.nn.Parameter(torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])))
    arrays = {name: weight.detach().numpy() for name, weight in model.named_parameters()} | changes
    tensors = [_counted(name, values) for name, values in arrays.items() if values is not None]
    file = Contents(opset=18, inputs=(), outputs=(), tensors=tensors, operators={})
    return _zeros(model, {LAYER, HEAD}, file)


def test_zeros_of_all_that_was_pruned_are_checked_and_those_of_layers_counted_in_both():
    assert zeros({}) == {"zeros_of_model": 3, "zeros_in_file": 3, "weights": 6, "sparsity": 0.5}


@pytest.mark.parametrize("name", [LAYER, HEAD])
@pytest.mark.parametrize(
    ("values", "told"),
    [
        (torch.ones(3, 2).numpy(), "3 of the 6 zeros of the model are not zero in the exported file"),
        (torch.zeros(2, 2).numpy(), "the exported file does not hold `NAME` as the model does, nor its zeros"),
        (None, "the exported file does not hold `NAME` as the model does, nor its zeros"),
    ],
)
def test_zeros_that_are_lost_fail_the_export(name, values, told):
    with pytest.raises(TargetFailed) as caught:
        zeros({name: values})
    assert str(caught.value) == "error: " + told.replace("NAME", name)


def test_a_weight_that_the_model_does_not_have_fails_the_export():
    with pytest.raises(TargetFailed, match=r"`model\.x\.weight`, which is no parameter"):
        zeros({"model.x.weight": torch.ones(1, 1).numpy()})
