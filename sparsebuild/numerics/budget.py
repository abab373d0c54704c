"""Which heads and neurons stay under a budget: the most important ones that can be afforded.

How many heads and how many neurons each layer keeps is a choice for each part of each layer, each choice with a cost
and with what is lost by it (the scores of all that goes). To lose the least within the budget is the multiple-choice
knapsack, solved over costs in small units by dynamic programming, as ZipLM (Kurtic et al. 2023) and before it SPDY
(Frantar & Alistarh 2022) do with measured times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparsebuild.numerics.layer_shape import LayerShape

__all__ = ["Choice", "Costs", "DoesNotFit", "Plan", "best_choices", "best_plan", "best_uniform_plan", "grid"]

UNITS = 20_000  # that a budget is divided into: rounding costs up wastes at most parts / UNITS of it
_NEURONS = 32  # a kernel computes so many at once, or a few times as many


class DoesNotFit(ValueError):
    """Even the smallest choices cost more than the budget."""

    def __init__(self, least: float) -> None:
        super().__init__(f"the smallest choices cost {least:g}")
        self.least = least


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One size that a part can be cut to."""

    size: int
    cost: float
    lost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What each size costs: one mapping a layer, from all sizes that may be chosen; in any unit.

    Of a layer that has fewer heads or neurons by now, larger sizes are passed over.
    """

    heads: Sequence[Mapping[int, float]]
    neurons: Sequence[Mapping[int, float]]
    rest: float = 0.0  # what no choice changes

    @property
    def least(self) -> float:
        """What the cheapest sizes cost."""
        return self.rest + sum(min(sizes.values()) for sizes in (*self.heads, *self.neurons))

    def of(self, shapes: Sequence[LayerShape]) -> float:
        """What an encoder of these shapes costs."""
        layers = zip(self.heads, self.neurons, shapes, strict=True)
        return self.rest + sum(heads[shape.heads] + neurons[shape.neurons] for heads, neurons, shape in layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The shape of every layer, what they cost together, and the scores of all that goes."""

    shapes: tuple[LayerShape, ...]
    cost: float
    lost: float


def best_plan(
    heads: Sequence[Sequence[float]],  # of each layer, the score of each head: what is lost with it
    neurons: Sequence[Sequence[float]],  # likewise
    costs: Costs,
    budget: float,  # in the unit of the costs, the rest included
) -> Plan:
    """The shapes that lose the least at a cost of `budget` or less; of equal ones the cheapest.

    Raises DoesNotFit. Of each part the highest scores stay, so what is lost are its lowest.
    """
    parts = [_choices(scores, sizes) for scores, sizes in zip(heads, costs.heads, strict=True)]
    parts += [_choices(scores, sizes) for scores, sizes in zip(neurons, costs.neurons, strict=True)]
    try:
        chosen = best_choices(parts, budget - costs.rest)
    except DoesNotFit as error:
        raise DoesNotFit(error.least + costs.rest) from None
    layers = len(costs.heads)
    sizes = [choice.size for choice in chosen]
    shapes = tuple(LayerShape(heads=h, neurons=n) for h, n in zip(sizes[:layers], sizes[layers:], strict=True))
    return Plan(shapes=shapes, cost=costs.of(shapes), lost=sum(choice.lost for choice in chosen))


def best_uniform_plan(
    heads: Sequence[Sequence[float]], neurons: Sequence[Sequence[float]], costs: Costs, budget: float
) -> Plan:
    """The same with as many heads, and as many neurons, in each layer, or all where a layer has fewer.

    Every pair of sizes is looked at.
    """
    of_heads, of_neurons = (
        _together([_choices(scores, sizes) for scores, sizes in zip(part, tables, strict=True)])
        for part, tables in ((heads, costs.heads), (neurons, costs.neurons))
    )
    pairs = [(h.lost + n.lost, costs.rest + h.cost + n.cost, h.size, n.size) for h in of_heads for n in of_neurons]
    affordable = [pair for pair in pairs if pair[1] <= budget]
    if not affordable:
        raise DoesNotFit(min((cost for _, cost, _, _ in pairs), default=math.inf))
    lost, cost, h, n = min(affordable)
    there = [(len(of_heads), len(of_neurons)) for of_heads, of_neurons in zip(heads, neurons, strict=True)]
    shapes = tuple(LayerShape(heads=min(h, most), neurons=min(n, widest)) for most, widest in there)
    return Plan(shapes=shapes, cost=cost, lost=lost)


def best_choices(parts: Sequence[Sequence[Choice]], budget: float, *, units: int = UNITS) -> tuple[Choice, ...]:
    """One choice of each part: the least lost at a cost of `budget` or less; raises DoesNotFit.

    Costs are rounded up to whole units of the budget, so it always holds, and the answer is exact where costs are
    whole units. Of equal losses the cheaper counts, then the choice that stands first, of the last parts before
    others.
    """
    least = sum(min(choice.cost for choice in part) for part in parts)
    if budget <= 0 or least > budget:
        raise DoesNotFit(least)
    unit = budget / units
    weights = [[_whole(choice.cost / unit) for choice in part] for part in parts]
    if sum(map(min, weights)) > units:  # by less than a unit a part, and only the smallest choices fit
        return tuple(min(part, key=lambda choice: (choice.cost, choice.lost)) for part in parts)
    best = np.full(units + 1, math.inf)  # by units spent, exactly so many: the least that is lost
    best[0] = 0.0
    taken = []
    for part, costs in zip(parts, weights, strict=True):
        now = np.full(units + 1, math.inf)
        choice_of = np.zeros(units + 1, dtype=np.int32)
        for number, (choice, cost) in enumerate(zip(part, costs, strict=True)):
            if cost <= units:
                lost = best[: units + 1 - cost] + choice.lost
                better = lost < now[cost:]
                now[cost:][better] = lost[better]
                choice_of[cost:][better] = number
        best = now
        taken.append(choice_of)
    spent = int(best.argmin())  # the first of the lowest
    chosen = []
    for part, costs, choice_of in zip(reversed(parts), reversed(weights), reversed(taken), strict=True):
        number = int(choice_of[spent])
        chosen.append(part[number])
        spent -= costs[number]
    return tuple(reversed(chosen))


def grid(most: int, least: int) -> tuple[int, ...]:
    """Sizes to choose from: multiples of what a kernel computes at once between `least` and `most`, and these two."""
    return tuple(sorted({least, *range(-(-least // _NEURONS) * _NEURONS, most, _NEURONS), most}))


def _choices(scores: Sequence[float], sizes: Mapping[int, float]) -> list[Choice]:
    """The sizes of one part in ascending order, each with its lowest scores lost."""
    lowest_first = np.concatenate([[0.0], np.cumsum(np.sort(np.asarray(scores, dtype=np.float64)))])
    gone = {size: len(scores) - size for size in sorted(sizes) if size <= len(scores)}
    return [Choice(size=size, cost=sizes[size], lost=float(lowest_first[gone[size]])) for size in gone]


def _together(parts: Sequence[Sequence[Choice]]) -> list[Choice]:
    """Sizes that every part can have, or is smaller than, with what they cost and lose in all of them."""
    of_size = [{choice.size: choice for choice in part} for part in parts]
    widest = [max(part, default=0) for part in of_size]
    chosen: dict[int, list[Choice]] = {}
    for size in sorted({size for part in of_size for size in part}):
        sizes = [min(size, most) for most in widest]
        if all(s in part for s, part in zip(sizes, of_size, strict=True)):
            chosen[size] = [part[s] for s, part in zip(sizes, of_size, strict=True)]
    return [Choice(size=s, cost=sum(c.cost for c in cs), lost=sum(c.lost for c in cs)) for s, cs in chosen.items()]


def _whole(units: float) -> int:
    """Rounded up, but for what division left of a whole number."""
    return math.ceil(units - 1e-9)
