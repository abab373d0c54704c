"""Parameters that training leaves alone for a while: `TrainableParamsModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Batch, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.parameters import select
from sparsebuild.modifiers.span import begin, is_active, until
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TrainableParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainableParams:
    """From `start_epoch` on `params` are trained, or are not; an `end_epoch` brings back what was at first.

    Of several at work, the one that ends last decides. What is not trained has no gradient, so that it neither moves
    nor decays.
    """

    tag: ClassVar[str] = "TrainableParamsModifier"
    summary: ClassVar[str] = "trains parameters, or leaves them as they are"

    start_epoch: float = -1.0
    end_epoch: float = -1.0
    params: tuple[str, ...]
    trainable: bool
    params_strict: bool = True  # every entry of `params` must name a parameter

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            params=fields.params(),
            trainable=fields.flag("trainable", True),
            params_strict=fields.flag("params_strict", True),
        )
        if not fields.has("trainable"):
            fields.problem("trainable", f"`{cls.tag}` needs the setting `trainable`")
        fields.ignored("update_frequency")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        value = f"{', '.join(self.params)} {'trained' if self.trainable else 'not trained'}"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=value),)

    def attach(self, run: Run) -> Attached:
        return _Switching(self, run)


class _Switching(Attached):
    """Says so before every step, so that of several at work the last decides, and one that ends takes only its own."""

    def __init__(self, spec: TrainableParams, run: Run) -> None:
        self.spec = spec
        self.weights = run.weights(select(run.model, spec.params, spec.tag, strict=spec.params_strict))
        self.usual = {name: weight.requires_grad for name, weight in self.weights.items()}
        self.is_on = False

    def before_step(self, moment: Moment) -> None:
        if is_active(self.spec, moment):
            self._switch(dict.fromkeys(self.weights, self.spec.trainable))
        elif self.is_on:
            self._switch(self.usual)
        self.is_on = is_active(self.spec, moment)

    def on_loss(self, moment: Moment, batch: Batch, outputs: Any, loss: Tensor) -> Tensor:
        if not loss.requires_grad:  # told here, since of several modifiers one may free what another holds
            raise TargetFailed(
                f"{self.spec.tag}: from epoch {moment.epoch:g} on no parameter is trained",
                hint="name fewer in `params`, or leave the classifier trainable",
            )
        return loss

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        if moment.before is not None:
            self.before_step(moment.before)

    def _switch(self, trainable: Mapping[str, bool]) -> None:
        for name, flag in trainable.items():
            self.weights[name].requires_grad_(flag)
            if not flag:
                self.weights[name].grad = None
