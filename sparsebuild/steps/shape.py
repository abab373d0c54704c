"""How large a trained network is, and was before anything was cut out of it: from the files beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sparsebuild.pages.variants import Shape

__all__ = ["is_as_large", "shape_of"]

# What configs call it; of heads also where some were cut out, it is the number that the dense model has.
_LAYERS = ("num_hidden_layers", "n_layers")
_HEADS = ("num_attention_heads", "n_heads")
_NEURONS = ("intermediate_size", "hidden_dim")
_WIDTH = ("hidden_size", "dim")


def shape_of(config: Path, structure: Path) -> Shape | None:
    """The shape of a model by its `config.json` and `structure.json`; None for a config that does not say it."""
    said, known = json.loads(config.read_bytes()), json.loads(structure.read_text()) if structure.exists() else {}
    layers, heads, neurons = (_first(said, keys) for keys in (_LAYERS, _HEADS, _NEURONS))
    if "dense" in known:
        return Shape.cut_out_of(known["dense"], (layer for _, layer in sorted(known["layers"].items(), key=_number)))
    if layers is None or heads is None or neurons is None:
        return None
    return Shape(whole_layers=layers, heads=heads, neurons=neurons, layers=[(heads, neurons)] * layers)


def is_as_large(other: Path, model: Path) -> bool:
    """Whether the model in `other` is the network, but for its weights, that `model` was cut out of."""
    configs = [json.loads((folder / "config.json").read_bytes()) for folder in (other, model)]
    shapes = [shape_of(folder / "config.json", folder / "structure.json") for folder in (other, model)]
    if not shapes[0] or not shapes[1] or not shapes[0].is_whole:
        return False
    widths = [(config.get("model_type"), _first(config, _WIDTH)) for config in configs]
    return widths[0] == widths[1] and shapes[0].whole == shapes[1].whole


def _first(config: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((config[key] for key in keys if key in config), None)


def _number(item: tuple[str, Any]) -> int:
    """Layers by their number, which is the last part of their name: the tenth comes after the ninth."""
    last = item[0].rpartition(".")[2]
    return int(last) if last.isdigit() else 0
