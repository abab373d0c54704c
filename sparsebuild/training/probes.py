"""Small encoders to be timed: random weights in the layers of a real model's config, of any shape, quantized or not.

How long a kernel takes does not depend on what the weights are, only on how many.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.numerics.quantization_scheme import Scheme
from sparsebuild.training.quantization import apply_plan, freeze_observers, observers
from sparsebuild.training.shapes import layer_names, resize, shapes

__all__ = ["PIECES", "calibrated", "dense_shape", "probe_model", "read_config"]

PIECES = 1000  # that a probe knows: rows of its table are looked up, so their number costs bytes and no time
_RANGE = 3.0  # of each activation

Plan = Callable[[nn.Module], Mapping[str, Scheme]]


def read_config(path: Path) -> Any:
    """The config of a model, at the path of its `config.json`."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)


def dense_shape(config: Any) -> tuple[int, LayerShape]:
    """How many layers a model of this config has, and the shape of each; UserError for a kind that cannot be cut."""
    with torch.device("meta"):
        there = shapes(_model(config))
    return len(there), next(iter(there.values()))


def probe_model(config: Any, layers: int, shape: LayerShape, plan: Plan | None = None) -> Any:
    """A token classifier with the first `layers` layers of `config`, each of `shape`, quantized by `plan` if any.

    The plan is made for the whole model, so that it may name layers that the probe does not have.
    """
    small = copy.deepcopy(config)
    small.num_hidden_layers = layers
    if getattr(small, "layer_types", None):
        small.layer_types = small.layer_types[:layers]
    small.vocab_size = min(config.vocab_size, PIECES)
    torch.manual_seed(0)
    model = _model(small).eval()
    resize(model, dict.fromkeys(layer_names(model), shape))
    if plan:
        with torch.device("meta"):
            whole = plan(_model(copy.deepcopy(config)))
        there = {name for name, _ in model.named_modules()}
        apply_plan(model, {name: scheme for name, scheme in whole.items() if name in there})
    return calibrated(model)


def calibrated(model: Any) -> Any:
    """The model itself, with the same range for all that it rounds and has not been told."""
    for _, observer in observers(model):
        if not observer.fixed:
            observer.lowest.fill_(-_RANGE)
            observer.highest.fill_(_RANGE)
        observer.count.fill_(1)
    freeze_observers(model)
    return model


def _model(config: Any) -> Any:
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
