"""A recipe's course in numbers, for people: learning rate, sparsity and quantization over the epochs, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sparsebuild.modifiers.base import Modifier, Moment
from sparsebuild.modifiers.span import begin, has_ended, has_started
from sparsebuild.numerics.sparsity_schedule import clock, first_step

__all__ = ["Course", "course"]

STEPS = 100  # an epoch, where nobody knows: only a warm-up, which counts steps, is drawn longer or shorter than it is
_QUANTIZES = "QuantizationModifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Values at the moments `at`; None where the recipe leaves a value alone."""

    epochs: float
    at: tuple[float, ...]  # epochs
    learning_rate: tuple[float | None, ...]  # of the optimizer's first group, which are the matrices
    sparsity: tuple[float | None, ...]  # the share of zeros that the modifier that asks for most asks for
    quantized: tuple[bool, ...]

    def to_json(self) -> Mapping[str, Any]:
        return {
            "at": list(self.at),
            "learning_rate": list(self.learning_rate),
            "sparsity": list(self.sparsity),
            "quantized": list(self.quantized),
        }


def course(specs: Sequence[Modifier], epochs: float, points: int, steps_per_epoch: int = STEPS) -> Course:
    """The course in a run of `epochs`, at the middles of `points` equal parts of it.

    The last sparsity is that which training ends with: a ramp up to the end has its last change at the last step.
    """
    marks = [epochs * (i + 0.5) / points for i in range(points)]
    moments = [_moment(mark, epochs, steps_per_epoch) for mark in marks]
    at_the_end = replace(moments[-1], step=moments[-1].last_step)
    return Course(
        epochs=epochs,
        at=tuple(marks),
        learning_rate=tuple(_rate(specs, moment) for moment in moments),
        sparsity=tuple(_sparsity(specs, moment) for moment in [*moments[:-1], at_the_end]),
        quantized=tuple(any(s.tag == _QUANTIZES and has_started(s, moment) for s in specs) for moment in moments),
    )


def _moment(epoch: float, epochs: float, steps_per_epoch: int) -> Moment:
    """The step that is being taken at `epoch`."""
    step = int(epoch * steps_per_epoch + 1e-9)
    return Moment(step=step, steps_per_epoch=steps_per_epoch, epochs=max(1, round(epochs)))


def _rate(specs: Sequence[Any], moment: Moment) -> float | None:
    """The rate that was written last to the first group: of several written at one step, that of the last modifier."""
    writers = [spec for spec in specs if hasattr(spec, "wrote") and 0 in (getattr(spec, "param_groups", ()) or (0,))]
    written = [wrote for spec in writers if (wrote := spec.wrote(moment))]
    return max(reversed(written), key=lambda wrote: wrote.step).rate if written else None


def _sparsity(specs: Sequence[Modifier], moment: Moment) -> float | None:
    return max((asked for spec in specs if (asked := _asked(spec, moment)) is not None), default=None)


def _asked(spec: Any, moment: Moment) -> float | None:
    """The share of zeros that a modifier holds; None before it starts, and where it has let go."""
    if hasattr(spec, "compression_sparsity"):  # in turns
        is_over = has_ended(spec, moment) and not spec.leave_enabled
        if is_over or not has_started(spec, moment):
            return None
        return 0.0 if spec.is_dense(moment.epoch, moment.epochs) else float(spec.compression_sparsity)
    epoch = _last_change(spec, moment) if hasattr(spec, "sparsity") else None
    if epoch is None:
        return None
    if hasattr(spec, "levels"):  # of parameters with a sparsity of their own each, those that lose most
        return max(float(spec.sparsity(epoch, final=level.sparsity)) for level in spec.levels)
    return float(spec.sparsity(epoch))


def _last_change(spec: Any, moment: Moment) -> float | None:
    """The epoch whose sparsity the masks of a ramp have: they change at its start, now and then, and at its end.

    As `event_steps` has it, without a list of all events. Where a recipe counts steps in between, which nobody can tell
    in epochs, they change at every step.
    """
    per_epoch, often = moment.steps_per_epoch, getattr(spec, "update_frequency", -1.0)
    first, end = first_step(begin(spec), per_epoch), first_step(spec.end_epoch, per_epoch)
    last = max(first, min(end, moment.last_step))
    if moment.step < first or (moment.step > last and not getattr(spec, "leave_enabled", True)):
        return None
    if moment.step >= last:
        return float(spec.end_epoch)
    every = max(1, first_step(min(often, moment.epochs), per_epoch))
    return clock(first + (moment.step - first) // every * every, per_epoch)
