"""One weight decay from some epoch on: `SetWeightDecayModifier`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.parameters import select
from sparsebuild.modifiers.rates import group_indices, groups_of, set_apart
from sparsebuild.modifiers.span import begin, has_started, number, until
from sparsebuild.recipe import Entry

__all__ = ["SetWeightDecay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWeightDecay:
    """Sets AdamW's weight decay once: of the groups that `param_groups` names, or of all.

    All is what SparseML's word means: biases and norms decay as well, unlike under `train.weight_decay`. With
    `param_groups: [0]` only matrices do; what `exclude` names, such as ['re:classifier'], keeps the decay that it has.
    Released recipes give it an end, where another one takes over: at the end nothing is set back, in SparseML neither.
    """

    tag: ClassVar[str] = "SetWeightDecayModifier"
    summary: ClassVar[str] = "sets the weight decay once"

    start_epoch: float = -1.0
    end_epoch: float = field(default=-1.0, init=False)
    said_end: float = -1.0  # what the recipe calls its end, if it has one
    weight_decay: float
    param_groups: tuple[int, ...] = ()  # of the optimizer: 0 matrices, 1 biases and norms; none means all
    exclude: tuple[str, ...] = ()  # ours: parameters that keep their decay

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        spec = cls(
            start_epoch=start,
            said_end=end,
            weight_decay=fields.number("weight_decay", least=0),
            param_groups=group_indices(fields),
            exclude=fields.params("exclude") if fields.entry.fields.get("exclude") else (),
        )
        fields.ignored("constant_logging", "exclude")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        told = f"weight decay {number(self.weight_decay)}"
        told += f" of group {', '.join(map(str, self.param_groups))}" if self.param_groups else ""
        told += f", but not of {', '.join(self.exclude)}" if self.exclude else ""
        told += f", after epoch {number(self.said_end)} until another sets one" if self.said_end >= 0 else ""
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        groups = groups_of(run, self.param_groups, self.tag, "weight decay")
        excluded = run.weights(select(run.model, self.exclude, self.tag)).values()
        set_apart(run.optimizer, excluded)
        decaying = {id(weight) for group in groups for weight in group["params"]} - set(map(id, excluded))
        return _Decay(self, run.optimizer, decaying)


class _Decay(Attached):
    def __init__(self, spec: SetWeightDecay, optimizer: Any, decaying: set[int]) -> None:
        self.spec = spec
        self.optimizer = optimizer
        self.decaying = decaying  # ids of parameters, since their groups may be split further
        self.is_done = False

    def before_step(self, moment: Moment) -> None:
        if self.is_done or not has_started(self.spec, moment):
            return
        for group in self.optimizer.param_groups:
            if self.decaying.intersection(map(id, group["params"])):
                group["weight_decay"] = self.spec.weight_decay
        self.is_done = True

    def restore(self, moment: Moment, state: object) -> None:
        """Groups are no tensors: what was set is set again, in the order of the modifiers' starts."""
        if moment.before is not None:
            self.before_step(moment.before)
