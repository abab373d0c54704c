"""The share of weights that is shown as the sparsity."""

from __future__ import annotations

import re

import pytest
import torch

PRUNED = """\
  - !GMPruningModifier {{start_epoch: 0, end_epoch: 1, init_sparsity: 0.0, final_sparsity: {}, update_frequency: 0.5,
      params: ['re:.*{}.*dense.weight']}}
"""
OUT = "  - !LayerPruningModifier {start_epoch: 1, layers: [bert.encoder.layer.1]}\n"


@pytest.mark.parametrize(
    ("entries", "pattern", "at_work"),
    [
        (PRUNED.format(0.9, "intermediate") + PRUNED.format(0.1, "attention"), "(intermediate|attention)", ".*"),
        (PRUNED.format(0.3, "layer") + PRUNED.format(0.6, "attention"), "layer", ".*"),
        (OUT + PRUNED.format(0.5, "layer"), "layer", "(?!.*layer.1).*"),
    ],
    ids=["two modifiers", "some weights by both", "a layer left out"],
)
def test_it_is_of_all_that_is_pruned_and_works(entries, pattern, at_work, training) -> None:
    begun = training(entries).run()
    weights = {
        name: p
        for name, p in begun.model.named_parameters()
        if re.match(f".*{pattern}.*dense.weight", name) and re.match(at_work, name)
    }
    zeros, size = (sum(map(f, weights.values())) for f in (lambda w: int((w == 0).sum()), torch.Tensor.numel))
    assert begun.figures()["sparsity"] == zeros / size
