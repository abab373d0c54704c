"""What heads and neurons cost by count: multiplications, and parameters.

Both as a share of the dense encoder, which is all of its layers; tables of embeddings and the classifier are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sparsebuild.numerics.budget import Costs

__all__ = ["EncoderSizes", "flops_costs", "parameter_costs"]

LENGTH = 128  # pieces of a sentence, at which products are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSizes:
    """The sizes of a dense encoder."""

    layers: int
    hidden: int
    heads: int
    head_width: int
    neurons: int
    is_gated: bool = False  # a neuron is the product of two: it has two rows of weights before it


def flops_costs(
    sizes: EncoderSizes,
    heads: Collection[int],  # that may be chosen of each layer
    neurons: Collection[int],
    left: int | None = None,  # layers; all, where it is left out
    length: int = LENGTH,
) -> Costs:
    """The multiplications of matrices for one piece of a sentence of `length` pieces.

    A head of width w has four projections between w and the hidden size, and w products with each piece for its
    scores and as many for its values. A neuron has one row of weights before it (two where it is gated) and one after.
    """
    head = sizes.head_width * (4 * sizes.hidden + 2 * length)
    neuron = sizes.hidden * (3 if sizes.is_gated else 2)
    return _shares(sizes, heads, neurons, left or sizes.layers, lambda h: h * head, lambda n: n * neuron, rest=0)


def parameter_costs(
    sizes: EncoderSizes, heads: Collection[int], neurons: Collection[int], left: int | None = None
) -> Costs:
    """The parameters of the layers, biases and norms too, as BERT has them."""
    head = sizes.head_width * (4 * sizes.hidden + 3)
    neuron = (3 * sizes.hidden + 2) if sizes.is_gated else (2 * sizes.hidden + 1)
    rest = 6 * sizes.hidden  # two norms, and the biases after attention and neurons
    return _shares(sizes, heads, neurons, left or sizes.layers, lambda h: h * head, lambda n: n * neuron, rest=rest)


def _shares(
    sizes: EncoderSizes,
    heads: Collection[int],
    neurons: Collection[int],
    left: int,
    of_heads: Callable[[int], float],
    of_neurons: Callable[[int], float],
    *,
    rest: float,  # of each layer
) -> Costs:
    dense = sizes.layers * (of_heads(sizes.heads) + of_neurons(sizes.neurons) + rest)
    return Costs(
        heads=[{h: of_heads(h) / dense for h in heads}] * left,
        neurons=[{n: of_neurons(n) / dense for n in neurons}] * left,
        rest=left * rest / dense,
    )
