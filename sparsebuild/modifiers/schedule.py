"""What a recipe's modifiers ask of training as a whole: how long, with what, and a table of it for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sparsebuild.modifiers.base import FileGrid, Modifier, Phase
from sparsebuild.modifiers.distillation import Distillation
from sparsebuild.modifiers.learning_rate import LearningRate
from sparsebuild.modifiers.learning_rate_function import LearningRateFunction
from sparsebuild.modifiers.per_layer_distillation import PerLayerDistillation
from sparsebuild.modifiers.quantization import Quantization
from sparsebuild.modifiers.set_learning_rate import SetLearningRate
from sparsebuild.modifiers.span import begin, number
from sparsebuild.modifiers.structured_pruning import StructuredPruning
from sparsebuild.numerics.sparsity_schedule import first_step

__all__ = [
    "epochs",
    "for_file",
    "has_symmetric_weights",
    "idle",
    "needs_hidden_states",
    "needs_kernel_times",
    "needs_live_teacher",
    "needs_teacher",
    "schedule_table",
    "sets_learning_rate",
    "weight_bits",
]


def epochs(specs: Sequence[Modifier]) -> int | None:
    """How many epochs the recipe asks for: its latest start or end, rounded up (-1 says nothing), or None."""
    marks = [math.ceil(mark) for spec in specs for mark in (spec.start_epoch, spec.end_epoch) if mark != -1]
    return max(marks, default=0) or None


def idle(specs: Sequence[Modifier], epochs: float, steps_per_epoch: int | None = None) -> list[str]:
    """A sentence about each modifier that begins when training has ended, or its last update has begun, and so does
    nothing.
    """
    never = "{} never acts: it starts at epoch {}, and {}"
    told = []
    for spec in specs:
        start = number(spec.start_epoch)
        if begin(spec) >= epochs:
            told.append(never.format(spec.tag, start, f"training ends at {epochs:g}"))
        elif steps_per_epoch and first_step(begin(spec), steps_per_epoch) > (last := steps_per_epoch * epochs - 1):
            when = f"the last of {last + 1:g} updates begins at {last / steps_per_epoch:g}"
            told.append(never.format(spec.tag, start, when))
    return told


def schedule_table(specs: Sequence[Modifier], epochs: float) -> list[Phase]:
    """Every phase of every modifier in a run of `epochs`, by start; those that begin after it are in it as well."""
    phases = [phase for spec in specs for phase in spec.phases(epochs)]
    return sorted(phases, key=lambda phase: (phase.start, phase.end))


def for_file(specs: Sequence[Modifier], grid: FileGrid) -> list[Modifier]:
    """The same modifiers, rounding as the exported file will, as they do once they are attached."""
    return [spec.for_file(grid) if isinstance(spec, Quantization) else spec for spec in specs]


def needs_teacher(specs: Sequence[Modifier]) -> bool:
    """Whether a teacher is asked anything."""
    return any(isinstance(spec, Distillation | PerLayerDistillation) for spec in specs)


def needs_live_teacher(specs: Sequence[Modifier]) -> bool:
    """Whether the teacher is asked at every step, since what is asked cannot be kept."""
    return any(
        isinstance(spec, PerLayerDistillation) or (isinstance(spec, Distillation) and not spec.distill_mask)
        for spec in specs
    )


def needs_hidden_states(specs: Sequence[Modifier]) -> bool:
    """Whether the loss looks at hidden states, the teacher's and the student's."""
    return any(isinstance(spec, Distillation) and spec.hidden_states > 0 for spec in specs)


def needs_kernel_times(specs: Sequence[Modifier]) -> bool:
    """Whether a budget of time is kept, for which kernels have to be timed first."""
    return any(isinstance(spec, StructuredPruning) and spec.targets.asks_for_time for spec in specs)


def sets_learning_rate(specs: Sequence[Modifier]) -> bool:
    """Whether the recipe has a schedule of its own: the one of `[train]` then gives way to a constant rate."""
    return any(isinstance(spec, LearningRate | LearningRateFunction | SetLearningRate) for spec in specs)


def weight_bits(specs: Sequence[Modifier], linears: Sequence[str] | None = None) -> int:
    """The most bits that any Linear's weights are trained for, 0 where none is quantized before training ends.

    `linears` are those of the model, where they are known.
    """
    acting = _quantizing(specs)
    if linears is None:
        return max((spec.weight_bits for spec in acting), default=0)
    return max((grid.bits for spec in acting for grid in spec.weights_of(linears)), default=0)


def has_symmetric_weights(specs: Sequence[Modifier], linears: Sequence[str] | None = None) -> bool:
    """Whether no Linear's weights are trained on a grid with a zero point.

    Where the model's `linears` are not known, by what is said of no Linear by name.
    """
    known = [""] if linears is None else linears
    return all(grid.symmetric for spec in _quantizing(specs) for grid in spec.weights_of(known))


def _quantizing(specs: Sequence[Modifier]) -> list[Quantization]:
    """Those that quantize before training ends."""
    return [spec for spec in specs if isinstance(spec, Quantization) and begin(spec) < (epochs(specs) or math.inf)]
