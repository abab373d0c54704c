"""Which epoch's model is kept, and when more epochs are of no use. Names and meanings as in transformers' Trainer.

Epochs are compared only while the structure is the same: as soon as it is another (more zeros, quantized modules, a
parameter that has been led to its value), what came before is out of the running. So what is best at the end has the
structure of the end, whatever the recipe does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sparsebuild.digest import canonical_json
from sparsebuild.modifiers.base import Modifier
from sparsebuild.modifiers.gradual_param import GradualParam
from sparsebuild.modifiers.layer_pruning import LayerPruning
from sparsebuild.modifiers.quantization import Quantization
from sparsebuild.modifiers.span import begin
from sparsebuild.modifiers.structured_pruning import StructuredPruning
from sparsebuild.training.settings import Settings

__all__ = ["Standing", "figure_of", "is_enough", "judged", "led", "settles_at", "structure_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The best epoch so far, and how long there was no better one."""

    step: int | None = None  # after which the best model was evaluated; None: there is none yet
    value: float = 0.0
    structure: str = ""
    waited: int = 0  # epochs since the figure last rose by more than the threshold, once the structure is final

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judged(
    before: Standing, settings: Settings, *, step: int, value: float, structure: str, is_settled: bool
) -> Standing:
    """The standing after an epoch that ended with `step`; a figure that is no number is never better."""
    sign = 1 if settings.prefers_greater else -1
    first = before.step is None or structure != before.structure
    gain = sign * (value - before.value)
    if first:
        return Standing(step=None if value != value else step, value=value, structure=structure)
    after = replace(before, step=step, value=value) if gain > 0 else before
    rose = gain > settings.early_stopping_threshold
    return replace(after, waited=0 if rose or not is_settled else before.waited + 1)


def is_enough(standing: Standing, settings: Settings) -> bool:
    """Whether the patience is at its end."""
    patience = settings.early_stopping_patience
    return patience is not None and standing.waited >= patience


def figure_of(figures: Mapping[str, float], settings: Settings) -> float:
    """The figure by which epochs are compared; the training's own loss is another one than `loss` of the rows."""
    metric = settings.metric_for_best_model
    return figures["eval_loss" if metric == "loss" else metric]


def settles_at(specs: Sequence[Modifier], holds_masks: Sequence[bool], epochs: int) -> float:
    """After how many epochs no modifier changes the structure any more, at the latest; `epochs` if only at the end.

    Whatever begins or ends before the end of training may change it. What holds masks, cuts, or leads parameters may do
    so up to its own end. A change that is due as an epoch ends comes with the next one.
    """
    settled = 0.0
    for spec, holds in zip(specs, holds_masks, strict=True):
        goes_on = holds or isinstance(spec, StructuredPruning | GradualParam)
        changes = goes_on or isinstance(spec, Quantization | LayerPruning)
        marks = spec.cut_epochs if isinstance(spec, StructuredPruning) else (spec.start_epoch, spec.end_epoch)
        for mark in marks:
            if mark >= epochs:
                settled = float(epochs) if goes_on else settled
            else:
                settled = max(settled, math.floor(mark) + 1.0 if changes else mark)
    return settled


def led(specs: Sequence[Modifier], epoch: int, epochs: int) -> list[str]:
    """The parameters that a modifier is still to bring to their last value, after `epoch` of `epochs`."""
    leading = [s for s in specs if isinstance(s, GradualParam) and begin(s) < epochs]
    return [name for spec in leading if epoch <= spec.end_epoch and epoch < epochs for name in spec.params]


def structure_of(
    zeros: Mapping[str, int], quantized: Iterable[str], sizes: Mapping[str, int], led: Sequence[str] = ()
) -> str:
    """What two models have in common if they have the same structure: zeros held by parameter, quantized modules, how
    large each parameter is that works, and those that are being led."""
    return canonical_json([sorted(zeros.items()), sorted(quantized), sorted(sizes.items()), *sorted(led)])
