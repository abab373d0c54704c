"""Gradual pruning by importance, one ranking over the encoder: `GlobalFisherPruningModifier`, our own.

A weight's score is w² · E[g²], the second factor from Adam's state: a diagonal Fisher matrix at no cost. One ranking
over all tensors spares the lower layers and empties the upper ones; a cap keeps something in each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.errors import RecipeError, TargetFailed
from sparsebuild.modifiers.base import Attached, Moment, Phase, Promise, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.held_masks import Holding
from sparsebuild.modifiers.layer_pruning import NAME_OTHERS, check_left, check_zeros, nothing_left
from sparsebuild.modifiers.parameters import at_work, select
from sparsebuild.modifiers.span import begin, percent, ramp_and_after, until
from sparsebuild.modifiers.structured_pruning import at_least
from sparsebuild.modifiers.trainable_params import TrainableParams
from sparsebuild.numerics.sparsity_schedule import promised_zeros, ramp_steps, sparsity_at
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GlobalFisherPruning"]

_ENCODER = (r"re:.*\.(encoder|transformer|layers)\..*\.weight",)  # as the kinds of encoders call their layers' home


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalFisherPruning:
    """From `init_sparsity` to `final_sparsity` along a cubic, by one ranking over the weights of all Linears meant.

    Masks change after the optimizer's step, whose moments the scores need.
    """

    tag: ClassVar[str] = "GlobalFisherPruningModifier"
    summary: ClassVar[str] = "removes the least important weights of the encoder, step by step"

    start_epoch: float
    end_epoch: float
    final_sparsity: float
    init_sparsity: float = 0.0
    update_steps: int = 10  # masks change at every multiple of this many steps, and at the end
    cap: float = 0.95  # the largest share that one tensor may lose
    params: tuple[str, ...] = _ENCODER  # of these, the weights of Linears

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=REQUIRED, end=REQUIRED, empty=False, forever=False)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            final_sparsity=fields.number("final_sparsity", least=0, most=1),
            init_sparsity=fields.number("init_sparsity", 0.0, least=0, most=1),
            update_steps=fields.integer("update_steps", 10, least=1),
            cap=fields.number("cap", 0.95, least=0, most=1),
            params=fields.params(default=_ENCODER),
        )
        if spec.final_sparsity >= spec.cap:
            message = f"`final_sparsity` ({spec.final_sparsity:g}) must be less than `cap` ({spec.cap:g})"
            fields.problem(
                "final_sparsity", message, "at the cap no tensor is left to take what the others may not lose"
            )
        if spec.final_sparsity < spec.init_sparsity:
            found = f"({spec.final_sparsity:g}) must not be less than `init_sparsity` ({spec.init_sparsity:g})"
            fields.problem("final_sparsity", f"`final_sparsity` {found}", "a weight that has gone does not come back")
        fields.finish()
        return spec

    def sparsity(self, epoch: float) -> float:
        """The sparsity asked for at `epoch`: Zhu and Gupta's cubic."""
        start = begin(self)
        return sparsity_at((epoch - start) / (self.end_epoch - start), self.init_sparsity, self.final_sparsity, "cubic")

    def phases(self, epochs: float) -> Sequence[Phase]:
        first, last = percent(self.init_sparsity), percent(self.final_sparsity)
        told = (
            f"{first} → {last} sparse, cubic, every {self.update_steps} steps, at most {percent(self.cap)} of a tensor"
        )
        return ramp_and_after(self.tag, self, epochs, told, last)

    def attach(self, run: Run) -> Attached:
        return _FisherPruning(self, run)


class _FisherPruning(Holding):
    def __init__(self, spec: GlobalFisherPruning, run: Run) -> None:
        super().__init__(spec.tag, run.weights(select(run.model, spec.params, spec.tag, only_prunable=True)))
        self.spec, self.run = spec, run
        self.model = run.model
        self.optimizer = run.optimizer
        check_zeros(spec.tag, spec.end_epoch, self.held.weights, run, together=True)
        _check_room(spec, [w.numel() for w in self.held.weights.values()])
        _check_trained(spec, self.held.weights, run)
        span = (spec.start_epoch, spec.end_epoch, spec.update_steps)
        self.events = ramp_steps(*span, run.steps_per_epoch, run.last_step)
        if self.events:
            check_left(spec.tag, spec.end_epoch, self.held.weights, run)

    def after_optimizer(self, moment: Moment) -> None:
        if self.events and moment.step in self.events:
            is_last = moment.step == self.events[-1]
            if is_last and not at_work(self.model, self.held.weights):
                raise TargetFailed(nothing_left(self.spec.tag, moment.epoch), hint=NAME_OTHERS)
            self._prune(self.spec.end_epoch if is_last else moment.epoch)
        else:
            super().after_optimizer(moment)

    def promises(self) -> Sequence[Promise]:
        names = at_work(self.model, self.held.weights)
        zeros = promised_zeros(self.spec.final_sparsity, sum(self.held.weights[n].numel() for n in names))
        promise = Promise(modifier=self.spec.tag, parameters=tuple(names), zeros=zeros)
        return at_least([promise], self.run) if self.events else ()

    def _prune(self, epoch: float) -> None:
        from sparsebuild.numerics.masks import capped_masks, fisher_scores

        scores = {
            name: self.held.without_held(name, fisher_scores(self.held.weights[name], self._squared_gradient(name)))
            for name in at_work(self.model, self.held.weights)
        }
        self.held.grow(capped_masks(scores, self.spec.sparsity(epoch), self.spec.cap))

    def _squared_gradient(self, name: str) -> Tensor:
        """Adam's running mean of g² of a parameter."""
        state = self.optimizer.state[self.held.weights[name]]
        if "exp_avg_sq" not in state:
            raise TargetFailed(f"{self.spec.tag} needs Adam's mean of squared gradients, which `{name}` does not have")
        mean: Tensor = state["exp_avg_sq"]
        return mean


def _check_room(spec: GlobalFisherPruning, sizes: Sequence[int]) -> None:
    """Refuse a sparsity so near the cap that rounding leaves too little room."""
    if promised_zeros(spec.final_sparsity, sum(sizes)) > sum(int(spec.cap * size) for size in sizes):
        raise RecipeError(
            f"{spec.tag}: a sparsity of {spec.final_sparsity:g} does not fit under a cap of {spec.cap:g} a tensor",
            hint="raise `cap`, or lower `final_sparsity`",
        )


def _check_trained(spec: GlobalFisherPruning, names: Collection[str], run: Run) -> None:
    """Refuse weights that have had no gradient when the first of them go."""
    for other in run.specs:
        if not isinstance(other, TrainableParams) or other.trainable or begin(other) > 0:
            continue
        if until(other, run.epochs) > begin(spec):
            frozen = select(run.model, other.params, other.tag, strict=other.params_strict)
            for name in sorted(set(frozen).intersection(names)):
                raise RecipeError(
                    f"{spec.tag} scores `{name}` by its gradients at epoch {begin(spec):g}, and {other.tag} keeps it "
                    "from being trained until then",
                    hint="leave it out of one of the two",
                )
