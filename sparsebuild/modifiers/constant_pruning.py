"""Zeros stay zeros: `ConstantPruningModifier`, for training a model that is sparse already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Moment, Phase, Promise, Run
from sparsebuild.modifiers.fields import ALL_PRUNABLE, Fields
from sparsebuild.modifiers.held_masks import Holding
from sparsebuild.modifiers.parameters import at_work, select
from sparsebuild.modifiers.span import begin, has_ended, has_started, percent, until
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConstantPruning"]

_FEW = 0.01  # a dense model has some zeros too, by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantPruning:
    """Holds what is exactly zero when it starts; a model without a zero in these parameters is refused then.

    The mask is taken once: a weight that becomes zero later is not held. (In SparseML masks are taken anew at every
    step, so that weights which underflow stay zero, and a dense model is trained on without a word.)
    """

    tag: ClassVar[str] = "ConstantPruningModifier"
    summary: ClassVar[str] = "keeps zeros at zero"

    start_epoch: float = -1.0
    end_epoch: float = -1.0
    params: tuple[str, ...] = (ALL_PRUNABLE,)

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        spec = cls(start_epoch=start, end_epoch=end, params=fields.params(default=ALL_PRUNABLE))
        fields.ignored("update_frequency")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value="zeros stay zeros"),)

    def attach(self, run: Run) -> Attached:
        return _Constant(self, run)


class _Constant(Holding):
    def __init__(self, spec: ConstantPruning, run: Run) -> None:
        super().__init__(spec.tag, run.weights(select(run.model, spec.params, spec.tag)))
        self.spec = spec
        self.model = run.model
        self.log = run.log
        self.is_taken = False

    def before_step(self, moment: Moment) -> None:
        if has_ended(self.spec, moment):
            self.held.release()
        elif not self.is_taken and has_started(self.spec, moment):
            self.is_taken = True
            self.held.grow({n: w.detach() != 0 for n, w in self.held.weights.items()})
            self._tell(moment)

    def zeros(self) -> Mapping[str, int]:
        return self.held.counts if self.held.masks else {}

    def promises(self) -> Sequence[Promise]:
        """What was zero when it began, which its settings ask for."""
        masks = self.held.masks
        return [
            Promise(modifier=self.spec.tag, parameters=(name,), zeros=int((masks[name] == 0).sum()))
            for name in at_work(self.model, masks)
        ]

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        self.is_taken = moment.before is not None and has_started(self.spec, moment.before)
        super().restore(moment, state)

    def _tell(self, moment: Moment) -> None:
        """What is kept; with nothing to keep, training would end with a dense model that was asked to be sparse."""
        if not self.held.zeros:
            raise TargetFailed(
                f"{self.spec.tag}: the model has no zeros to keep at epoch {moment.epoch:g}",
                hint="start from a sparse model, prune with GlobalFisherPruningModifier, or take the modifier out",
            )
        share, tensors = percent(self.held.sparsity), len(self.held.weights)
        few = "; is it the sparse one?" if self.held.sparsity < _FEW else ""
        self.log(f"{self.spec.tag}: {self.held.zeros} zeros are kept, {share} of {tensors} tensors{few}")
