"""Which heads, neurons and layers matter, and which ones go.

A structure is a group of columns of an output projection: those that read one neuron, or one head. Where they are zero
it is gone, so a gate z = 1 on them stands for it, and what is lost by closing it is estimated from its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["best", "best_of_all", "gate_gradients", "magnitudes"]


def gate_gradients(
    weight: Tensor,  # (out, in) an output projection
    gradient: Tensor,  # (out, in) ∂L/∂weight of one batch
    groups: int,  # in / groups neighbouring columns belong together
) -> Tensor:  # (groups,) ∂L/∂z of each structure's gate
    """Σ over a structure's columns of w · ∂L/∂w, by the chain rule through z · w at z = 1.

    The mean of its square over batches is the diagonal of the Fisher matrix of the gates (Theis 2018; Kwon 2022,
    section 3): twice what the loss rises by when the gate closes, to second order, near a minimum.
    """
    return (weight * gradient).sum(0).view(groups, -1).sum(1)


def magnitudes(weight: Tensor, groups: int) -> Tensor:  # (out, in) -> (groups,)
    """Σ w² over each structure's columns."""
    return weight.square().sum(0).view(groups, -1).sum(1)


def best(scores: Tensor, keep: int) -> Tensor:  # (n,) -> (keep,) int64, ascending
    """The places of the `keep` highest scores; of equal ones the first."""
    order = torch.argsort(scores, descending=True, stable=True)
    return order[:keep].sort().values


def best_of_all(
    scores: Mapping[str, Tensor],  # by layer, (n,) each
    keep: int,  # over all layers
    least: int,  # in each layer, or as many as it has
) -> dict[str, Tensor]:  # by layer, the places that stay, ascending
    """One ranking over all layers, after each has its `least` best. Exactly `keep` stay."""
    sure = {name: best(s, min(least, len(s))) for name, s in scores.items()}
    left = keep - sum(map(len, sure.values()))
    free = {name: s.index_fill(0, sure[name], -torch.inf) for name, s in scores.items()}
    together: Sequence[Tensor] = list(free.values())
    chosen = torch.zeros(sum(map(len, together)), dtype=torch.bool, device=together[0].device)
    chosen[best(torch.cat(list(together)), max(left, 0))] = True
    parts = torch.split(chosen, [len(s) for s in together])
    return {
        name: part.index_fill(0, sure[name], True).nonzero().flatten() for name, part in zip(scores, parts, strict=True)
    }
