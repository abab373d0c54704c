"""How finely values are rounded, in plain Python: the grid of a tensor, and the grids of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = [
    "ATTENTION",
    "EMBEDDING",
    "EMBEDDING_LEVELS",
    "PORTABLE_BITS",
    "Grid",
    "Scheme",
    "linear_scheme",
    "of_embedding",
    "of_linear",
    "scheme_from_json",
    "scheme_to_json",
]

EMBEDDING_LEVELS = 127  # tables are gathered, never multiplied as integers: 8 bits are safe on every CPU
PORTABLE_BITS = 7  # of a Linear's weights: products of more overflow on CPUs without VNNI, see exporters/portable.py


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The integers of a tensor, and how its range is learned.

    Weights are signed: symmetric ones lie in -(2^(bits-1) - 1) … 2^(bits-1) - 1 with zero point 0, others reach one
    further down. Activations are unsigned, 0 … 2^bits - 1; a symmetric one has its zero point in the middle, which is
    the same grid as a signed one around 0.
    """

    bits: int = 8  # 4 … 8
    symmetric: bool = False
    per_channel: bool | None = False  # of weights: a scale for each row, not one for all; None: as is usual
    momentum: float | None = 0.01  # of activations: how fast the range follows; None: it only widens
    scale: float | None = None  # of weights: one that was given once and for all; None: it follows the weights
    zero_point: int = 0  # beside such a scale; then the lowest integer is -2^(bits-1), and what lies outside is clipped

    @property
    def steps(self) -> int:
        """From the lowest integer of an activation, 0, to the highest; as many as an asymmetric weight has."""
        return int(2**self.bits - 1)

    @property
    def largest(self) -> int:
        """The largest integer of a weight, 63 for 7 bits."""
        return int(2 ** (self.bits - 1) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What is rounded of a layer: what goes in, the weight, what comes out."""

    inputs: Grid | None = None
    weights: Grid | None = None
    outputs: Grid | None = None


def linear_scheme(weight_levels: int) -> Scheme:
    """What a Linear has where a recipe says no more: the inputs in 8 bits, the weights in 7 (63 levels) or 8 (127)."""
    bits = weight_levels.bit_length() + 1
    return Scheme(inputs=Grid(), weights=Grid(bits=bits, symmetric=True, per_channel=True))


def of_linear(scheme: Scheme, weight_levels: int) -> Scheme:
    """What a recipe's scheme means for a Linear: 8 bits of a weight are 7 (63 levels) or 8, and a scale by row."""
    if scheme.weights is None:
        return scheme
    bits = scheme.weights.bits if scheme.weights.bits < 8 else weight_levels.bit_length() + 1
    return replace(
        scheme, weights=replace(scheme.weights, bits=bits, per_channel=scheme.weights.per_channel is not False)
    )


def of_embedding(scheme: Scheme) -> Scheme:
    """What a recipe's scheme means for an Embedding: nothing goes in that could be rounded, and a scale by table."""
    weights = scheme.weights and replace(scheme.weights, per_channel=scheme.weights.per_channel is True)
    return Scheme(weights=weights, outputs=scheme.outputs)


EMBEDDING = Scheme(weights=Grid(symmetric=True))  # one scale for the table: rows are gathered, never multiplied
ATTENTION = Scheme(inputs=Grid())  # of all four operands


def scheme_from_json(data: Mapping[str, Any]) -> Scheme:
    """The scheme that `dataclasses.asdict` was taken of."""
    return Scheme(**{part: grid and Grid(**grid) for part, grid in data.items()})


def scheme_to_json(scheme: Scheme) -> dict[str, Any]:
    """Plain JSON, without what is not rounded."""
    return {part: grid for part, grid in asdict(scheme).items() if grid is not None}
