"""One learning rate from some epoch on: `SetLearningRateModifier`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.rates import RateWriter, Written, group_indices, groups_of
from sparsebuild.modifiers.span import begin, has_started, number, until
from sparsebuild.numerics.sparsity_schedule import first_step
from sparsebuild.recipe import Entry

__all__ = ["SetLearningRate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLearningRate:
    """Writes the rate once, when it starts; it holds until another modifier writes one."""

    tag: ClassVar[str] = "SetLearningRateModifier"
    summary: ClassVar[str] = "sets the learning rate once"

    start_epoch: float = -1.0
    end_epoch: float = field(default=-1.0, init=False)
    learning_rate: float
    param_groups: tuple[int, ...] = ()  # of the optimizer; none means all

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        spec = cls(
            start_epoch=fields.epoch("start_epoch", -1.0),
            learning_rate=fields.number("learning_rate", least=0, most=1, above=0),
            param_groups=group_indices(fields),
        )
        fields.only("end_epoch", (-1,), "the rate holds until another modifier sets one")
        fields.ignored("constant_logging")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=number(self.learning_rate)),)

    def attach(self, run: Run) -> Attached:
        return RateWriter(self.wrote, groups_of(run, self.param_groups, self.tag))

    def wrote(self, moment: Moment) -> Written | None:
        """What it wrote last, up to a moment; None before the start."""
        if not has_started(self, moment):
            return None
        return Written(first_step(begin(self), moment.steps_per_epoch), self.learning_rate)
