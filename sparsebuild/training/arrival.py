"""What a model brings along to its training, and whether the recipe keeps it: told before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from sparsebuild.modifiers.base import Modifier
from sparsebuild.training.quantization import quantized_modules
from sparsebuild.training.structure import prunable_sparsity

__all__ = ["brought_along"]

_OF_LAYERS = "LayerPruningModifier"  # holds no weights at zero
_FEW = 0.01  # of the weights: no model was pruned for less


def brought_along(model: Any, specs: Sequence[Modifier]) -> Iterator[tuple[str, Literal["info", "warning"]]]:
    """Sentences about a model that is sparse or quantized already, each with its level."""
    share = prunable_sparsity(model)
    if share >= _FEW:
        keeps = any(spec.tag.endswith("PruningModifier") and spec.tag != _OF_LAYERS for spec in specs)
        arrives = f"the model arrives with {share:.1%} of its prunable weights at zero"
        if keeps:
            yield arrives, "info"
        else:
            yield f"{arrives}, and nothing keeps them there: ConstantPruningModifier would", "warning"
    if count := len(list(quantized_modules(model))):
        yield f"the model arrives quantized: {count} modules, with the ranges that they came with", "info"
