"""Learning-rate curves, in plain Python: shape only, no clock and no optimizer."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["cosine", "cyclic_linear", "linear", "staircase", "steps_down", "warm_restarts", "warm_up"]


def linear(x: float, first: float, last: float) -> float:
    """first + x · (last - first), for `x` from 0 to 1; outside it the nearer end's value."""
    if x >= 1:
        return last  # exactly: first + (last - first) may miss it by a rounding
    return first + max(x, 0.0) * (last - first)


def cosine(x: float, first: float, last: float) -> float:
    """Half a cosine wave from `first` (`x` = 0) to `last` (`x` = 1): last + (first - last) · (1 + cos πx) / 2.

    The recipes' format gives one formula for falling and one for rising rates; they are the same curve.
    """
    if x >= 1:
        return last
    return last + (first - last) * (1 + math.cos(math.pi * max(x, 0.0))) / 2


def cyclic_linear(
    step: float,  # steps since the start, 0 ≤ step < length
    length: float,  # steps from start to end
    cycle: float,  # steps of one cycle
    first: float,
    last: float,
) -> float:
    """From `first` at each cycle's first step to `last` at its last: first - a / (C - 1) · (first - last).

    `a` counts the steps in this cycle. A last cycle that is cut short runs through the whole range in the steps there
    are. A cycle of one step has the rate `first`; SparseML divides by zero there.
    """
    full = math.floor(_steady(length / cycle))
    passed = math.floor(_steady(step / cycle))
    steps = cycle if passed < full else length - full * cycle
    inside = _steady(step - min(passed, full) * cycle)
    steps = _steady(steps)
    if steps <= 1:
        return first
    return first - min(inside / (steps - 1), 1.0) * (first - last)


def staircase(passed: int, every: int, first: float, gamma: float) -> float:
    """first · gamma^⌊passed / every⌋, both in steps: torch's StepLR, and ExponentialLR where `every` is one epoch."""
    return float(first * gamma ** (passed // every))


def steps_down(passed: int, marks: Sequence[int], first: float, gamma: float) -> float:
    """first · gamma^(how many of `marks` have passed), in steps: torch's MultiStepLR."""
    return float(first * gamma ** sum(passed >= mark for mark in marks))


def warm_restarts(passed: float, cycle: float, first: float, last: float) -> float:
    """Half a cosine wave from `first` to `last`, again every `cycle`: Loshchilov 2017, equation 5, without growth.

    `passed` and `cycle` are in the same unit, here epochs; torch's CosineAnnealingWarmRestarts with T_mult = 1.
    """
    inside = _steady(passed - math.floor(_steady(passed / cycle)) * cycle)
    return cosine(max(inside, 0.0) / cycle, first, last)


def warm_up(step: int, steps: int) -> float:
    """The factor min(1, (step + 1) / steps) of the first `steps` steps; 1 where there is no warm-up."""
    return min(1.0, (step + 1) / steps) if steps > 0 else 1.0


def _steady(value: float) -> float:
    """Without the last rounding: 0.1 epochs of 30 steps are 3 steps, not 3.0000000000000004."""
    return round(value, 9)
