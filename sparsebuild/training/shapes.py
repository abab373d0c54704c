"""Heads and neurons that are cut out: how a model gets narrower.

Weights are sliced in place: parameters stay the same objects, so that an optimizer, masks and modifiers keep hold of
them, and whoever keeps a tensor of a parameter's shape is told what of it stays (`Attached.on_cut`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sparsebuild.encoders import Anatomy, encoder_of
from sparsebuild.errors import UserError
from sparsebuild.numerics.layer_shape import LayerShape

__all__ = [
    "Kept",
    "anatomy",
    "cut",
    "fits_config",
    "head_width",
    "kept",
    "layer_names",
    "projections",
    "resize",
    "set_layers",
    "set_neurons",
    "settle_config",
    "shapes",
    "slice_parameter",
]

Kept = Mapping[str, tuple[int, Tensor]]  # parameter → the dimension that is cut, and the places in it that stay


def anatomy(model: Any) -> Anatomy:
    """Where this model has its heads and neurons."""
    return encoder_of(model.config.model_type).anatomy


def layer_names(model: Any) -> list[str]:
    """The full names of the encoder's layers."""
    place = encoder_of(model.config.model_type).layers
    return [f"{place}.{i}" for i in range(len(model.get_submodule(place)))]


def shapes(model: Any) -> dict[str, LayerShape]:
    """The shape of each layer, by name."""
    place, width = anatomy(model), head_width(model)
    return {
        name: LayerShape(
            heads=_linear(model, name, place.from_heads).weight.shape[1] // width,
            neurons=_linear(model, name, place.from_neurons).weight.shape[1],
        )
        for name in layer_names(model)
    }


def head_width(model: Any) -> int:
    """How wide one head is: of the config, which keeps the number of heads that the dense model has."""
    width: int = model.config.hidden_size // model.config.num_attention_heads
    return width


def projections(model: Any, layer: str) -> tuple[nn.Linear, nn.Linear]:
    """The two Linears of a layer whose columns read its heads, and its neurons."""
    place = anatomy(model)
    return _linear(model, layer, place.from_heads), _linear(model, layer, place.from_neurons)


def kept(model: Any, layer: str, *, heads: Tensor | None = None, neurons: Tensor | None = None) -> Kept:
    """What stays of a layer's parameters where only these heads and neurons (places, ascending) stay; None: all."""
    place, width = anatomy(model), head_width(model)
    found: dict[str, tuple[int, Tensor]] = {}
    if heads is not None:
        columns = (heads[:, None] * width + torch.arange(width, device=heads.device)).flatten()
        found |= _kept(model, layer, place.from_heads, place.to_heads, columns, place.copies)
    if neurons is not None:
        found |= _kept(model, layer, place.from_neurons, place.to_neurons, neurons, place.neuron_copies)
    return found


def cut(model: Any, keep: Kept, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Slice the parameters that `keep` names, and what the optimizer remembers of them; gradients must be gone."""
    parameters = dict(model.named_parameters())
    for name, (dimension, places) in keep.items():
        slice_parameter(parameters[name], dimension, places, optimizer)
    _settle(model)


def slice_parameter(
    parameter: nn.Parameter, dimension: int, places: Tensor, optimizer: torch.optim.Optimizer | None = None
) -> None:
    """Keep these places of a parameter, which stays the same object, and of what the optimizer remembers of it."""
    parameter.grad = None
    parameter.data = _sliced(parameter.data, dimension, places)
    state = optimizer.state.get(parameter, {}) if optimizer else {}
    state |= {k: _sliced(v, dimension, places) for k, v in state.items() if v.ndim}  # Adam's step has no dimension


def resize(model: Any, wanted: Mapping[str, LayerShape]) -> None:
    """Make each layer of `wanted` as narrow as it says; its values mean nothing until others are loaded."""
    now = shapes(model)
    for name, shape in wanted.items():
        if name not in now:
            raise UserError(f"the model has no layer `{name}`", hint=f"it has: {', '.join(now)}")
        if shape.heads > now[name].heads or shape.neurons > now[name].neurons:
            raise UserError(f"`{name}` has {_told(now[name])}, and is to have {_told(shape)}: layers only get narrower")
        if shape != now[name]:
            heads, neurons = torch.arange(shape.heads), torch.arange(shape.neurons)
            cut(model, kept(model, name, heads=heads, neurons=neurons))


def settle_config(model: Any) -> None:
    """Let the config say how many neurons a layer has, where all have as many: plain `from_pretrained` needs it."""
    neurons = {shape.neurons for shape in shapes(model).values()}
    if len(neurons) == 1:
        set_neurons(model.config, neurons.pop())


def set_neurons(config: Any, neurons: int) -> None:
    """Let `config` speak of layers with so many neurons."""
    setattr(config, encoder_of(config.model_type).anatomy.neurons_setting, neurons)


def set_layers(config: Any, layers: int) -> None:
    """Let `config` speak of so many layers; those that it did not know are like its last."""
    config.num_hidden_layers = layers
    if kinds := getattr(config, "layer_types", None):  # which attend to all pieces, and which nearby
        config.layer_types = [*kinds, *kinds[-1:] * layers][:layers]


def fits_config(config: Any, wanted: Mapping[str, LayerShape]) -> bool:
    """Whether a model made from `config` alone has these shapes."""
    place = encoder_of(config.model_type).anatomy
    usual = LayerShape(heads=config.num_attention_heads, neurons=getattr(config, place.neurons_setting))
    return all(shape == usual for shape in wanted.values())


def _kept(
    model: Any, layer: str, reads: str, makes: Sequence[str], places: Tensor, copies: int
) -> dict[str, tuple[int, Tensor]]:
    reader = _linear(model, layer, reads)
    found = {f"{layer}.{reads}.weight": (1, places)}
    size = reader.weight.shape[1]
    rows = torch.cat([places + i * size for i in range(copies)])
    for name in makes:
        found[f"{layer}.{name}.weight"] = (0, rows)
        if _linear(model, layer, name).bias is not None:
            found[f"{layer}.{name}.bias"] = (0, rows)
    return found


def _sliced(values: Tensor, dimension: int, places: Tensor) -> Tensor:
    return values.index_select(dimension, places.to(values.device)).contiguous()


def _settle(model: Any) -> None:
    """Let modules say what their parameters are."""
    place, width = anatomy(model), head_width(model)
    for layer in layer_names(model):
        for name in (place.from_heads, *place.to_heads, place.from_neurons, *place.to_neurons):
            linear = _linear(model, layer, name)
            linear.out_features, linear.in_features = linear.weight.shape
        together = _linear(model, layer, place.from_heads).in_features
        attention = model.get_submodule(f"{layer}.{place.attention}")
        for attribute in place.head_counts:
            setattr(attention, attribute, together // width)
        for attribute in place.widths:
            setattr(attention, attribute, together)


def _told(shape: LayerShape) -> str:
    return f"{shape.heads} heads and {shape.neurons} neurons"


def _linear(model: Any, layer: str, name: str) -> nn.Linear:
    linear = model.get_submodule(f"{layer}.{name}")
    assert isinstance(linear, nn.Linear)
    return linear
