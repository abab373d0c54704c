"""What a model brings along to its training, and whether the recipe keeps it: told before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from sparsebuild.modifiers.base import Modifier
from sparsebuild.modifiers.parameters import select
from sparsebuild.training.quantization import quantized_modules
from sparsebuild.training.structure import prunable_weights

__all__ = ["brought_along"]

_OF_STRUCTURES = ("LayerPruningModifier", "StructuredPruningModifier")  # hold no weights at zero
_FEW = 0.01  # of the weights: no model was pruned for less


def brought_along(model: Any, specs: Sequence[Modifier]) -> Iterator[tuple[str, Literal["info", "warning"]]]:
    """Sentences about a model that is sparse or quantized already, each with its level."""
    weights = prunable_weights(model)
    size, zeros = sum(w.numel() for w in weights.values()), {n: int((w == 0).sum()) for n, w in weights.items()}
    if sum(zeros.values()) >= _FEW * size:
        arrives = f"the model arrives with {sum(zeros.values()) / size:.1%} of its prunable weights at zero"
        kept = _held(model, specs)
        lost = sum(count for name, count in zeros.items() if name not in kept)
        if lost < _FEW * size:
            yield arrives, "info"
        else:
            which = "them" if lost == sum(zeros.values()) else f"{lost} of these zeros"
            yield f"{arrives}, and nothing keeps {which} there: ConstantPruningModifier would", "warning"
    if count := len(list(quantized_modules(model))):
        yield f"the model arrives quantized: {count} modules, with the ranges that they came with", "info"


def _held(model: Any, specs: Sequence[Modifier]) -> set[str]:
    """The parameters of which modifiers hold weights at zero."""
    found: set[str] = set()
    for spec in specs:
        if spec.tag.endswith("PruningModifier") and spec.tag not in _OF_STRUCTURES:
            levels = getattr(spec, "levels", None) or [spec]
            found.update(*(select(model, level.params, spec.tag, strict=False) for level in levels))
    return found
