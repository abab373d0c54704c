"""The learning rate as one of torch's schedules: `LearningRateModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.rates import RateWriter, Written, groups_of
from sparsebuild.modifiers.span import begin, has_started, number, until
from sparsebuild.numerics import learning_rate
from sparsebuild.numerics.sparsity_schedule import clock, first_step
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

__all__ = ["LearningRate"]

_CLASSES: Mapping[str, tuple[str, ...]] = {  # what `lr_kwargs` holds for each
    "StepLR": ("gamma", "step_size"),
    "MultiStepLR": ("gamma", "milestones"),
    "ExponentialLR": ("gamma",),
    "CosineAnnealingWarmRestarts": ("lr_min", "cycle_epochs"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """From `init_lr` down as `lr_class` says; after the end the rate stays where it was.

    Epochs become steps as in SparseML: `step_size` and each milestone after the start, times the steps of an epoch,
    rounded. Lengths of `cycle_epochs` are exact.
    """

    tag: ClassVar[str] = "LearningRateModifier"
    summary: ClassVar[str] = "the learning rate as one of torch's schedules"

    start_epoch: float
    end_epoch: float = -1.0
    lr_class: str
    init_lr: float
    gamma: float = 0.1
    step_size: float = 1.0  # epochs, of StepLR
    milestones: tuple[float, ...] = ()  # epochs, of MultiStepLR
    lr_min: float = 0.0  # of CosineAnnealingWarmRestarts, as is
    cycle_epochs: float = 1.0

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=REQUIRED)
        rate = fields.number("init_lr", least=0, most=1, above=0)
        kind = fields.choice("lr_class", tuple(_CLASSES))
        spec = cls(start_epoch=start, end_epoch=end, lr_class=kind, init_lr=rate, **_arguments(fields, kind))
        outside = [m for m in spec.milestones if m <= begin(spec) or (end >= 0 and m >= end)]
        if outside and not fields.problems:
            fields.problem(
                "lr_kwargs.milestones", f"a milestone must lie after the start and before the end: {outside[0]:g}"
            )
        fields.ignored("constant_logging")
        fields.only("update_frequency", (-1,), "the rate is set at every step")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        told = f"{self.lr_class} from {number(self.init_lr)}, {self._told()}"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        return RateWriter(self.wrote, groups_of(run, (), self.tag))

    def wrote(self, moment: Moment) -> Written | None:
        """What it wrote last, up to a moment; None before the start."""
        if not has_started(self, moment):
            return None
        per_epoch = moment.steps_per_epoch
        step = min(moment.step, first_step(self.end_epoch, per_epoch)) if self.end_epoch >= 0 else moment.step
        return Written(step, self._at(step, per_epoch))

    def _at(self, step: int, per_epoch: int) -> float:
        start = begin(self)
        passed = step - first_step(start, per_epoch)
        if self.lr_class == "CosineAnnealingWarmRestarts":
            since = max(clock(step, per_epoch) - start, 0.0)
            return learning_rate.warm_restarts(since, self.cycle_epochs, self.init_lr, self.lr_min)
        if self.lr_class == "MultiStepLR":
            marks = [round((m - start) * per_epoch) for m in self.milestones]
            return learning_rate.steps_down(passed, marks, self.init_lr, self.gamma)
        every = round(self.step_size * per_epoch) if self.lr_class == "StepLR" else per_epoch
        return learning_rate.staircase(passed, max(every, 1), self.init_lr, self.gamma)

    def _told(self) -> str:
        if self.lr_class == "CosineAnnealingWarmRestarts":
            return f"to {number(self.lr_min)} every {number(self.cycle_epochs)} epochs"
        if self.lr_class == "MultiStepLR":
            return f"times {number(self.gamma)} at {', '.join(map(number, self.milestones))}"
        return f"times {number(self.gamma)} every {number(self.step_size)} epochs"


def _arguments(fields: Fields, kind: str) -> dict[str, Any]:
    """`lr_kwargs`, each with its type and range; what the class does not know is a problem."""
    given = fields.entry.fields.get("lr_kwargs")
    fields.ignored("lr_kwargs")
    if not isinstance(given, Mapping):
        fields.problem("lr_kwargs", f"`lr_kwargs` must hold what {kind} needs: {', '.join(_CLASSES[kind])}")
        return {}
    for name in given:
        if name not in _CLASSES[kind]:
            hint = did_you_mean(name, _CLASSES[kind]) or f"it has: {', '.join(_CLASSES[kind])}"
            fields.problem(f"lr_kwargs.{name}", f"{kind} has no argument `{name}`", hint)
    found: dict[str, Any] = {}
    for name in _CLASSES[kind]:
        if name not in given:
            if name != "lr_min":
                fields.problem("lr_kwargs", f"{kind} needs `{name}` in `lr_kwargs`")
        elif name == "milestones":
            found[name] = _milestones(fields, given[name])
        elif _is_number(given[name]) and (given[name] > 0 or (name == "lr_min" and given[name] == 0)):
            found[name] = float(given[name])
        else:
            least = "0 or more" if name == "lr_min" else "more than 0"
            fields.problem(f"lr_kwargs.{name}", f"`{name}` must be a number, {least}")
    return found


def _milestones(fields: Fields, value: Any) -> tuple[float, ...]:
    if isinstance(value, tuple | list) and value and all(map(_is_number, value)):
        return tuple(sorted(map(float, value)))
    fields.problem("lr_kwargs.milestones", "`milestones` must be a list of epochs")
    return ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
