"""Parameters led from one value to another: `GradualParamModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.parameters import select
from sparsebuild.modifiers.span import begin, often, until
from sparsebuild.modifiers.values import Value, check_shapes, read_value, shape_of, told
from sparsebuild.numerics.sparsity_schedule import CURVES, event_steps
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GradualParam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradualParam:
    """init + y(x) · (final - init) at the start, every `update_frequency` epochs, and at the end, along `inter_func`.

    Between these steps training may move the parameters. SparseML reads `inter_func` and always goes straight; an end
    that training does not reach, such as the number of epochs, is for us at the last step, and holds for what is saved.
    """

    tag: ClassVar[str] = "GradualParamModifier"
    summary: ClassVar[str] = "leads parameters from one value to another"

    start_epoch: float
    end_epoch: float
    update_frequency: float  # epochs; -1: every step
    params: tuple[str, ...]
    init_val: Value
    final_val: Value
    inter_func: str = "linear"
    params_strict: bool = True  # every entry of `params` must name a parameter

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=REQUIRED, end=REQUIRED, empty=False, forever=False)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            update_frequency=fields.frequency("update_frequency"),
            params=fields.params(),
            init_val=read_value(fields, "init_val"),
            final_val=read_value(fields, "final_val"),
            inter_func=fields.choice("inter_func", tuple(CURVES), "linear"),
            params_strict=fields.flag("params_strict", True),
        )
        if shape_of(spec.init_val) != shape_of(spec.final_val) and not fields.problems:
            fields.problem("final_val", "`init_val` and `final_val` must have the same shape")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        value = f"{', '.join(self.params)}: {told(self.init_val)} → {told(self.final_val)}"
        value += f", {self.inter_func.replace('_', ' ')}, {often(self.update_frequency)}"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=value),)

    def attach(self, run: Run) -> Attached:
        weights = run.weights(select(run.model, self.params, self.tag, strict=self.params_strict))
        check_shapes(self.tag, "init_val", self.init_val, weights)
        return _Leading(self, run, weights)


class _Leading(Attached):
    def __init__(self, spec: GradualParam, run: Run, weights: Mapping[str, Tensor]) -> None:
        self.spec = spec
        self.weights = weights
        span = (spec.start_epoch, spec.end_epoch, spec.update_frequency)
        self.events = frozenset(found := event_steps(*span, run.steps_per_epoch, run.last_step))
        self.final = found[-1] if found else -1
        self.ends_with_training = self.final == run.last_step

    def before_step(self, moment: Moment) -> None:
        if moment.step in self.events:
            self._write(1.0 if moment.step == self.final else self._share(moment.epoch))

    def on_end(self) -> None:
        if self.ends_with_training:  # the last update came after the last value
            self._write(1.0)

    def _share(self, epoch: float) -> float:
        """How much of the way lies behind at `epoch`, from 0 to 1."""
        start = begin(self.spec)
        x = (epoch - start) / (self.spec.end_epoch - start)
        return CURVES[self.spec.inter_func](min(max(x, 0.0), 1.0))

    def _write(self, share: float) -> None:
        import torch

        check_shapes(self.spec.tag, "init_val", self.spec.init_val, self.weights)  # which may have been cut
        with torch.no_grad():
            for weight in self.weights.values():
                first, last = (torch.tensor(v, dtype=torch.float64) for v in (self.spec.init_val, self.spec.final_val))
                weight.copy_(last if share >= 1 else first + share * (last - first))
