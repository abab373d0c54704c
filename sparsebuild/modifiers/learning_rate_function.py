"""The learning rate as a curve: `LearningRateFunctionModifier`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.rates import RateWriter, Written, group_indices, groups_of
from sparsebuild.modifiers.span import begin, has_ended, has_started, number, until
from sparsebuild.numerics import learning_rate
from sparsebuild.numerics.sparsity_schedule import first_step
from sparsebuild.recipe import Entry

__all__ = ["LearningRateFunction"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRateFunction:
    """From `init_lr` to `final_lr`; after the end the rate stays at `final_lr`, before the start it is left alone.

    Of several that are at work, the one that ends last decides; see modifiers/rates.py.
    """

    tag: ClassVar[str] = "LearningRateFunctionModifier"
    summary: ClassVar[str] = "the learning rate as a linear, cosine or cyclic curve"

    start_epoch: float
    end_epoch: float
    lr_func: str  # linear | cosine | cyclic_linear
    init_lr: float
    final_lr: float
    cycle_epochs: float = 1.0  # of cyclic_linear
    param_groups: tuple[int, ...] = ()  # of the optimizer; none means all
    warmup_steps: int = (
        0  # ours: from the start on, the rate is multiplied by min(1, (steps so far + 1) / warmup_steps)
    )

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=REQUIRED, end=REQUIRED, empty=False, forever=False)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            lr_func=fields.choice("lr_func", ("linear", "cosine", "cyclic_linear")),
            init_lr=fields.number("init_lr", least=0, most=1),
            final_lr=fields.number("final_lr", least=0, most=1),
            cycle_epochs=fields.number("cycle_epochs", 1.0, above=0),
            param_groups=group_indices(fields),
            warmup_steps=fields.integer("warmup_steps", 0, least=0),
        )
        fields.only("update_frequency", (-1,), "the rate is set at every step")
        fields.ignored("constant_logging")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        name = self.lr_func.replace("_", " ")
        told = f"{number(self.init_lr)} → {number(self.final_lr)}, {name}"
        told += f" in cycles of {number(self.cycle_epochs)} epochs" if self.lr_func == "cyclic_linear" else ""
        told += f", {self.warmup_steps} steps of warm-up" if self.warmup_steps else ""
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def rate(self, moment: Moment) -> float | None:
        """The learning rate at a moment; None before the start."""
        if not has_started(self, moment):
            return None
        since = moment.step - first_step(begin(self), moment.steps_per_epoch)
        return self._curve(moment) * learning_rate.warm_up(since, self.warmup_steps)

    def attach(self, run: Run) -> Attached:
        return RateWriter(self.wrote, groups_of(run, self.param_groups, self.tag))

    def wrote(self, moment: Moment) -> Written | None:
        """What it wrote last, up to a moment; None before the start."""
        rate = self.rate(moment)
        if rate is None:
            return None
        return Written(min(moment.step, first_step(self.end_epoch, moment.steps_per_epoch)), rate)

    def _curve(self, moment: Moment) -> float:
        start, end, per_epoch = begin(self), self.end_epoch, moment.steps_per_epoch
        if has_ended(self, moment):
            return self.final_lr
        if self.lr_func == "cyclic_linear":
            steps = moment.step - start * per_epoch
            length, cycle = (end - start) * per_epoch, self.cycle_epochs * per_epoch
            return learning_rate.cyclic_linear(steps, length, cycle, self.init_lr, self.final_lr)
        curve = learning_rate.cosine if self.lr_func == "cosine" else learning_rate.linear
        return curve((moment.epoch - start) / (end - start), self.init_lr, self.final_lr)
