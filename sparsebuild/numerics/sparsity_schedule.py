"""How sparse, and when: the curves of gradual pruning and the steps at which masks change, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

__all__ = ["CURVES", "clock", "event_steps", "first_step", "promised_zeros", "ramp_steps", "reached", "sparsity_at"]

CURVES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "cubic": lambda x: 1 - (1 - x) ** 3,  # Zhu and Gupta 2017, equation 1
    "inverse_cubic": lambda x: 1 - (1 - x) ** (1 / 3),
}
_TOLERANCE = 1e-9  # epochs: far below a step, far above what 0.1 + 0.2 misses 0.3 by


def sparsity_at(x: float, first: float, last: float, curve: str) -> float:
    """The sparsity at `x`, the share of the ramp that has passed: first + y(x) · (last - first), exact at both ends."""
    if x >= 1:
        return last
    return first + CURVES[curve](max(x, 0.0)) * (last - first)


def promised_zeros(sparsity: float, size: int) -> int:
    """How many of `size` weights have to go for a share of *at least* `sparsity`.

    Rounded up, so that a gate of ">= 0.80" holds for a recipe that says 0.8; the small term is for products such as
    0.1 · 30, which float arithmetic puts just above 3.
    """
    return math.ceil(sparsity * size - 1e-6)


def clock(step: int, steps_per_epoch: int) -> float:
    """Epochs before the update number `step`, as a fraction; added as the recipes' own clock adds."""
    return step // steps_per_epoch + (step % steps_per_epoch) / steps_per_epoch


def reached(epoch: float, mark: float) -> bool:
    """Whether the clock stands at `mark` or past it. A mark of -1 is always reached."""
    return epoch >= mark - _TOLERANCE


def first_step(mark: float, steps_per_epoch: int) -> int:
    """The first step at which `mark` (epochs) is reached."""
    step = max(0, int(mark * steps_per_epoch) - 1)
    while not reached(clock(step, steps_per_epoch), mark):
        step += 1
    return step


def event_steps(start: float, end: float, frequency: float, steps_per_epoch: int, last_step: int) -> tuple[int, ...]:
    """The steps at which masks change: at the start, every `frequency` epochs (-1: every step), and at the end.

    The first event is the first step at which `start` is reached; each next one is the first step that lies
    `frequency` epochs after the event before; the final one is where `end` is reached, or `last_step` if training ends
    before: so the final sparsity is always reached. (In SparseML an `end` equal to the number of epochs never comes.)
    A function of its arguments alone: a resumed run has the same events.
    """
    begin = first_step(start, steps_per_epoch)
    if begin > last_step:
        return ()
    final = max(begin, min(first_step(end, steps_per_epoch), last_step))
    events = [begin]
    while events[-1] < final:
        soonest = events[-1] + 1
        due = soonest if frequency < 0 else first_step(clock(events[-1], steps_per_epoch) + frequency, steps_per_epoch)
        events.append(min(max(soonest, due), final))
    return tuple(events)


def ramp_steps(start: float, end: float, every: int, steps_per_epoch: int, last_step: int) -> tuple[int, ...]:
    """The steps at which masks change that follow a count of steps: every multiple of `every` from `start` on, and once
    where `end` is reached, or at `last_step` if training ends before."""
    begin = first_step(start, steps_per_epoch)
    if begin > last_step:
        return ()
    final = max(begin, min(first_step(end, steps_per_epoch), last_step))
    first_multiple = -(-begin // every) * every
    return (*range(first_multiple, final, every), final)
