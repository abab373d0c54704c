"""Gradual pruning by movement: `MovementPruningModifier`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sparsebuild.modifiers.base import Attached, Moment, Run
from sparsebuild.modifiers.gradual_pruning import GradualPruning, Pruning

if TYPE_CHECKING:
    from torch import Tensor

    from sparsebuild.training.shapes import Kept

__all__ = ["MovementPruning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementPruning(GradualPruning):
    """Weights that training moves towards zero go, each parameter by itself.

    Scores are gathered from the first step on, before pruning starts too, and masks change between the gradients of a
    step and its update: both as in SparseML.
    """

    tag: ClassVar[str] = "MovementPruningModifier"
    summary: ClassVar[str] = "removes the weights that training moves towards zero, step by step"

    def attach(self, run: Run) -> Attached:
        return _Moving(self, run)


class _Moving(Pruning):
    def __init__(self, spec: MovementPruning, run: Run) -> None:
        import torch

        super().__init__(spec, run)
        self.scores = {name: torch.zeros_like(w, requires_grad=False) for name, w in self.held.weights.items()}

    def before_step(self, moment: Moment) -> None:
        """The gradients of this step count, so there is nothing to do yet."""

    def before_optimizer(self, moment: Moment) -> None:
        if self.events and moment.step <= self.events[-1]:
            self._gather()
        self.change(moment)

    def score(self, name: str) -> Tensor:
        return self.scores[name]

    def on_cut(self, kept: Kept) -> None:
        super().on_cut(kept)
        for name in self.scores.keys() & kept.keys():
            self.scores[name] = self.scores[name].index_select(*kept[name])

    def state(self) -> Mapping[str, Tensor]:
        return {**super().state(), **{f"score.{name}": score for name, score in self.scores.items()}}

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        super().restore(moment, state)
        self.scores = {name: state[f"score.{name}"].to(score.device, copy=True) for name, score in self.scores.items()}

    def _gather(self) -> None:
        from sparsebuild.numerics.movement import add_movement

        for name, weight in self.held.weights.items():
            if weight.grad is not None:
                add_movement(self.scores[name], weight.detach(), weight.grad)
