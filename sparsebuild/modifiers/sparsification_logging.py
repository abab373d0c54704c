"""How far the model is: `SparsificationLoggingModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.parameters import prunable
from sparsebuild.modifiers.span import begin, often, percent, until
from sparsebuild.numerics.sparsity_schedule import event_steps
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SparsificationLogging"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsificationLogging:
    """Tells the share of zeros and of quantized layers, of all Linears together, and changes nothing.

    The figures `zeros` and `quantized` go into `metrics.jsonl` as well. SparseML logs every layer by itself.
    """

    tag: ClassVar[str] = "SparsificationLoggingModifier"
    summary: ClassVar[str] = "tells how sparse and how far quantized the model is"

    start_epoch: float = 0.0
    end_epoch: float = -1.0
    update_frequency: float = 1.0  # epochs; -1: every step

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=0.0)
        frequency = fields.frequency("update_frequency", 1.0)
        fields.finish()
        return cls(start_epoch=start, end_epoch=end, update_frequency=frequency)

    def phases(self, epochs: float) -> Sequence[Phase]:
        told = f"told {often(self.update_frequency)}"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        return _Telling(self, run)


class _Telling(Attached):
    def __init__(self, spec: SparsificationLogging, run: Run) -> None:
        end = spec.end_epoch if spec.end_epoch >= 0 else float(run.epochs)
        span = (spec.start_epoch, end, spec.update_frequency)
        self.events = frozenset(event_steps(*span, run.steps_per_epoch, run.last_step))
        self.tag = spec.tag
        self.run = run
        self.weights = run.weights(prunable(run.model))
        self.found: dict[str, float] = {}

    def before_step(self, moment: Moment) -> None:
        if moment.step not in self.events:
            return
        size = sum(weight.numel() for weight in self.weights.values())
        zeros = sum(int((weight == 0).sum()) for weight in self.weights.values())
        self.found = {"zeros": zeros / size, "quantized": self._quantized()}
        self.run.log(
            f"{self.tag}: at epoch {moment.epoch:g} {percent(self.found['zeros'])} of {size} weights are zero, "
            f"{percent(self.found['quantized'])} of {len(self.weights)} layers are quantized"
        )

    def figures(self) -> Mapping[str, float]:
        return self.found

    def state(self) -> Mapping[str, Tensor]:
        import torch

        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self.found.items()}

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        self.found = {name: float(value) for name, value in state.items()}

    def _quantized(self) -> float:
        from sparsebuild.training.quantization import quantized_modules

        names = {f"{name}.weight" for name, _ in quantized_modules(self.run.model)}
        return sum(name in names for name in self.weights) / len(self.weights)
