"""Weights that are held at zero: their masks, multiplied in after every update of the optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Moment
from sparsebuild.modifiers.parameters import at_work

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sparsebuild.training.shapes import Kept

__all__ = ["HeldMasks", "Holding", "held_share", "masks_of"]

_PREFIX = "mask."


def masks_of(attached: Iterable[Attached]) -> dict[str, Tensor]:
    """All masks in force, by parameter: a weight is held at zero if any modifier holds it."""
    together: dict[str, Tensor] = {}
    for one in attached:
        for name, mask in one.masks().items():
            together[name] = together[name] * mask if name in together else mask
    return together


def held_share(model: nn.Module, attached: Sequence[Attached]) -> float:
    """How much is held at zero of all that modifiers prune; layers that are left out do not count. From 0 to 1."""
    counts = [one.zeros() for one in attached if one.zeros()]
    zeros = {name: count for one in counts for name, count in one.items()}
    if len(zeros) < sum(map(len, counts)):  # some are pruned by several
        zeros |= {name: int((mask == 0).sum()) for name, mask in masks_of(attached).items()}
    weights, names = dict(model.named_parameters()), at_work(model, zeros)
    size = sum(weights[name].numel() for name in names)
    return sum(zeros[name] for name in names) / size if size else 0.0


class HeldMasks:
    """The masks of some weights, in the weights' dtype. They only grow, until they are released: what has gone does not
    come back.

    Gradients are left alone, unlike in SparseML: Adam may keep a momentum for a weight that has gone, but the weight is
    zero again before anything is computed with it.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = dict(weights)
        self.masks: dict[str, Tensor] = {}  # only of weights that lose something
        self.counts = dict.fromkeys(self.weights, 0)  # of weights held at zero

    @property
    def zeros(self) -> int:
        """How many weights are held at zero."""
        return sum(self.counts.values())

    @property
    def sparsity(self) -> float:
        """The share of all weights that is held at zero."""
        size = sum(w.numel() for w in self.weights.values())
        return self.zeros / size if size else 0.0

    def grow(self, masks: Mapping[str, Tensor]) -> None:
        """Hold what `masks` (bool, False on what goes) hold as well, from now on."""
        kept = {n: m & (self.masks[n] != 0) if n in self.masks else m for n, m in masks.items()}
        self._hold({**{n: m != 0 for n, m in self.masks.items() if n not in kept}, **kept})
        self.apply()

    def apply(self) -> None:
        """Set what is held to zero: one fused multiplication, without waiting for the device."""
        import torch

        if not self.masks:
            return
        weights = [self.weights[n] for n in self.masks]
        if next(iter(self.masks.values())).device != weights[0].device:  # restored before the model was moved
            self.masks = {n: m.to(self.weights[n].device) for n, m in self.masks.items()}
        with torch.no_grad():
            torch._foreach_mul_(weights, list(self.masks.values()))

    def cut(self, kept: Kept) -> None:
        """Follow weights that have been sliced."""
        cut = {n: m.index_select(kept[n][0], kept[n][1].to(m.device)) for n, m in self.masks.items() if n in kept}
        self._hold({n: m != 0 for n, m in {**self.masks, **cut}.items()})

    def release(self) -> None:
        """Hold nothing any more."""
        self._hold({})

    def check(self, tag: str) -> None:
        """Raise TargetFailed if a weight that is held is not zero."""
        for name, mask in self.masks.items():
            lost = int((self.weights[name].detach()[mask.to(self.weights[name].device) == 0] != 0).sum())
            if lost:
                raise TargetFailed(f"{tag}: {lost} weights of `{name}` that were held at zero are not zero")

    def without_held(self, name: str, scores: Tensor) -> Tensor:
        """`scores` with -inf, below any score, where a weight has already gone."""
        return scores.masked_fill(self.masks[name] == 0, -math.inf) if name in self.masks else scores

    def state(self) -> dict[str, Tensor]:
        """The masks, one byte a weight, for a checkpoint."""
        return {_PREFIX + name: mask.bool() for name, mask in self.masks.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take `state` back; weights are not touched."""
        self._hold({key.removeprefix(_PREFIX): m for key, m in state.items() if key.startswith(_PREFIX)})

    def _hold(self, kept: Mapping[str, Tensor]) -> None:
        self.counts = dict.fromkeys(self.weights, 0) | {n: k.numel() - int(k.count_nonzero()) for n, k in kept.items()}
        self.masks = {n: k.to(self.weights[n]) for n, k in kept.items() if self.counts[n]}


class Holding(Attached):
    """A modifier at work that holds some weights at zero; when, and which, is the subclass's."""

    def __init__(self, tag: str, weights: Mapping[str, Tensor], mask_type: str = "unstructured") -> None:
        self.tag = tag
        self.held = HeldMasks(weights)
        self.mask_type = mask_type

    def after_optimizer(self, moment: Moment) -> None:
        self.held.apply()

    def on_end(self) -> None:
        self.held.check(self.tag)

    def zeros(self) -> Mapping[str, int]:
        return self.held.counts

    def on_cut(self, kept: Kept) -> None:
        self.held.cut(kept)

    def masks(self) -> Mapping[str, Tensor]:
        return self.held.masks

    def mask_types(self) -> Mapping[str, str]:
        return dict.fromkeys(self.held.masks, self.mask_type)

    def state(self) -> Mapping[str, Tensor]:
        return self.held.state()

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        self.held.restore(state)
