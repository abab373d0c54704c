"""Layers of an encoder that are left out: skipped while training may yet want them, and gone from what is saved.

A skipped layer's class is swapped for one that gives back its input. Its parameters stay the same objects under the
same names, without gradients, so that checkpoints keep their keys and a layer can be put back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any

from torch import Tensor, nn

from sparsebuild.encoders import ENCODERS

__all__ = ["drop_skipped", "is_skipped", "layers", "put_back", "skip", "skipped", "staying"]


def layers(model: nn.Module) -> list[str]:
    """The names of the layers that can be skipped: what stands in a list of equals, such as `bert.encoder.layer.3`."""
    lists = {name: m for name, m in model.named_modules() if isinstance(m, nn.ModuleList)}
    return [
        f"{name}.{i}"
        for name, modules in lists.items()
        if len({_own_kind(m) for m in modules}) == 1
        for i in range(len(modules))
    ]


def staying(model: nn.Module) -> list[str]:
    """The names of the layers that cannot be left out: a first one that is built otherwise than the rest."""
    encoder = ENCODERS.get(str(getattr(getattr(model, "config", None), "model_type", "")))
    return [f"{encoder.layers}.0"] if encoder and encoder.first_layer_stays else []


def skip(model: nn.Module, names: Sequence[str], *, for_good: bool = False) -> None:
    """Let hidden states pass by the named layers unchanged."""
    for name in names:
        layer = model.get_submodule(name)
        layer.__class__ = _skipping(_own_kind(layer))
        if for_good:
            layer.is_cut_out = True  # type: ignore[assignment]  # a value, not a tensor


def put_back(model: nn.Module, names: Sequence[str]) -> None:
    """Let the named layers work again, but those that are skipped for good."""
    for name in names:
        layer = model.get_submodule(name)
        if not getattr(layer, "is_cut_out", False):
            layer.__class__ = _own_kind(layer)


def is_skipped(layer: nn.Module) -> bool:
    """Whether hidden states pass by this layer now."""
    return isinstance(layer, _Skipped)


def skipped(model: nn.Module) -> list[str]:
    """The names of the layers that are skipped now."""
    return [name for name, module in model.named_modules() if isinstance(module, _Skipped)]


def drop_skipped(model: Any) -> Mapping[str, str]:
    """Remove the skipped layers for good and number the others anew, in the model and its config.

    Returns the names, old to new, of all modules and parameters that stay.
    """
    before = _names(model)
    for name in {layer.rpartition(".")[0] for layer in skipped(model)}:
        parent, _, last = name.rpartition(".")
        layers = model.get_submodule(name)
        stays = [not isinstance(layer, _Skipped) for layer in layers]
        left = list(compress(layers, stays))
        setattr(model.get_submodule(parent), last, nn.ModuleList(left))
        model.config.num_hidden_layers = len(left)
        if kinds := getattr(model.config, "layer_types", None):  # which attend to all pieces, and which nearby
            model.config.layer_types = list(compress(kinds, stays))
    after = {thing: name for name, thing in _names(model).items()}
    return {name: after[thing] for name, thing in before.items() if thing in after}


class _Skipped:
    """Marks the classes that `_skipping` makes."""


_MADE: dict[type[nn.Module], type[nn.Module]] = {}  # one class for each kind, so that a model can be copied


def _skipping(kind: type[nn.Module]) -> type[nn.Module]:
    def forward(self: nn.Module, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        return hidden_states

    if kind not in _MADE:
        _MADE[kind] = type(f"Skipped{kind.__name__}", (kind, _Skipped), {"forward": forward, "own_kind": kind})
    return _MADE[kind]


def _own_kind(layer: nn.Module) -> type[nn.Module]:
    """The class that a layer has when it is not skipped."""
    return type(layer).own_kind if isinstance(layer, _Skipped) else type(layer)  # type: ignore[attr-defined]


def _names(model: nn.Module) -> dict[str, nn.Module | nn.Parameter]:
    return {**dict(model.named_modules()), **dict(model.named_parameters())}
