"""A table of kernel times: what attention with so many heads and a feed-forward part with so many neurons take.

Times of whole small encoders are measured, whose layers are all alike. Layers are alike and follow each other, so

    time = rest + layers · (attention(heads) + neurons(n))

and encoders of other depths, heads and neurons give each term.
Times grow with sizes; where measured ones do not, they are noise, and neighbours are averaged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from sparsebuild.numerics.budget import Costs
from sparsebuild.numerics.layer_shape import LayerShape

__all__ = ["KernelTimes", "Probe", "probes"]

_DEEPEST = 4  # layers of a probe
_HEADS = (0.09, 0.25, 0.5, 0.75, 1.0)  # of the dense ones
_NEURONS = (0.03, 0.08, 0.16, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """An encoder to be timed: `layers` layers of one shape."""

    layers: int
    shape: LayerShape


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTimes:
    """Milliseconds, each of one layer, at the sizes that were measured; between them they are straight lines."""

    attention: Mapping[int, float]  # by heads; with all else of a layer
    neurons: Mapping[int, float]  # by neurons
    rest: float  # what is outside of all layers
    dense: float  # the whole dense encoder in float32, with all of its layers

    @classmethod
    def of(cls, measured: Mapping[Probe, float], dense: float) -> Self:
        """The table that fits the times of `probes` best; `dense` is that of the float encoder.

        Least squares of relative errors. Only sums of the two tables are seen in times, so the line through the first
        two sizes of neurons is laid through 0: what a layer takes without any counts as attention's.
        """
        heads = sorted({p.shape.heads for p in measured})
        neurons = sorted({p.shape.neurons for p in measured})
        columns = [*(("heads", h) for h in heads), *(("neurons", n) for n in neurons[1:]), ("rest", 0)]
        place = {column: number for number, column in enumerate(columns)}
        rows = np.zeros((len(measured), len(columns)))
        for row, probe in zip(rows, measured, strict=True):
            row[place["heads", probe.shape.heads]] = probe.layers
            if probe.shape.neurons != neurons[0]:  # of the first size the time is 0 for now
                row[place["neurons", probe.shape.neurons]] = probe.layers
            row[place["rest", 0]] = 1.0
        times = np.array(list(measured.values()))
        found, *_ = np.linalg.lstsq(rows / times[:, None], np.ones(len(times)))
        by_heads = _rising({h: float(found[place["heads", h]]) for h in heads})
        by_neurons = _rising({n: float(found[place["neurons", n]]) if n != neurons[0] else 0.0 for n in neurons})
        own = max(-_at(by_neurons, 0), 0.0)
        return cls(
            attention={size: max(time - own, 0.0) for size, time in by_heads.items()},
            neurons={size: time + own for size, time in by_neurons.items()},
            rest=max(float(found[place["rest", 0]]), 0.0),
            dense=dense,
        )

    def milliseconds(self, shapes: Sequence[LayerShape]) -> float:
        """What an encoder with these layers takes."""
        return self.rest + sum(_at(self.attention, s.heads) + _at(self.neurons, s.neurons) for s in shapes)

    def share(self, shapes: Sequence[LayerShape]) -> float:
        """The same as a share of the dense encoder in float32."""
        return self.milliseconds(shapes) / self.dense

    def costs(self, layers: int, heads: Collection[int], neurons: Collection[int]) -> Costs:
        """What each size costs in each of `layers` layers, as a share of the dense encoder in float32."""
        return Costs(
            heads=[{h: _at(self.attention, h) / self.dense for h in heads}] * layers,
            neurons=[{n: _at(self.neurons, n) / self.dense for n in neurons}] * layers,
            rest=self.rest / self.dense,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON has it: sizes are texts there."""
        return asdict(self) | {part: {str(k): v for k, v in getattr(self, part).items()} for part in _TABLES}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        tables = {part: {int(k): float(v) for k, v in data[part].items()} for part in _TABLES}
        return cls(**tables, rest=float(data["rest"]), dense=float(data["dense"]))


_TABLES = ("attention", "neurons")


def probes(layers: int, heads: int, neurons: int) -> list[Probe]:
    """What to time for an encoder of these sizes: one changed at a time, both at their ends, and one layer alone."""
    deep = max(min(layers, _DEEPEST), 2)
    some_heads = sorted({max(round(share * heads), 1) for share in _HEADS})
    rounded = {max(round(share * neurons / 32), 1) * 32 for share in _NEURONS}  # as kernels like them
    some_neurons = sorted({size for size in rounded if size < neurons} | {neurons})
    h, n = some_heads[len(some_heads) // 2], some_neurons[len(some_neurons) // 2]
    least, most = (LayerShape(heads=some_heads[i], neurons=some_neurons[i]) for i in (0, -1))
    shapes = [*(LayerShape(heads=one, neurons=n) for one in some_heads), least, most]
    shapes += [LayerShape(heads=h, neurons=one) for one in some_neurons]
    return [*(Probe(layers=deep, shape=s) for s in dict.fromkeys(shapes)), Probe(layers=1, shape=least)]


def _at(table: Mapping[int, float], size: int) -> float:
    """The time at `size`: on a line between its neighbours, or before the first on the line of the first two."""
    sizes = sorted(table)
    if len(sizes) > 1 and size < sizes[0]:
        one, other = sizes[0], sizes[1]
        return table[one] - (one - size) * (table[other] - table[one]) / (other - one)
    return float(np.interp(size, sizes, [table[s] for s in sizes]))


def _rising(times: Mapping[int, float]) -> dict[int, float]:
    """The nearest times (least squares) that do not fall as sizes grow: neighbours that do are averaged."""
    blocks: list[tuple[float, list[int]]] = []
    for size in sorted(times):
        blocks.append((times[size], [size]))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (before, some), (after, more) = blocks[-2:]
            mean = (before * len(some) + after * len(more)) / (len(some) + len(more))
            blocks[-2:] = [(mean, [*some, *more])]
    return {size: time for time, sizes in blocks for size in sizes}
