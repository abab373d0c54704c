"""Training dense and sparse by turns: `ACDCPruningModifier`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Moment, Phase, Promise, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.held_masks import Holding
from sparsebuild.modifiers.layer_pruning import NAME_OTHERS, check_left, check_zeros, nothing_left
from sparsebuild.modifiers.mask_type import MaskType
from sparsebuild.modifiers.parameters import at_work, select
from sparsebuild.modifiers.span import (
    begin,
    has_ended,
    has_started,
    number,
    percent,
    ramp_and_after,
    until,
)
from sparsebuild.modifiers.structured_pruning import after_cuts
from sparsebuild.numerics.sparsity_schedule import reached
from sparsebuild.recipe import Entry

__all__ = ["ACDCPruning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ACDCPruning:
    """Phases of `update_frequency` epochs: dense, sparse, dense …, of which the last is always sparse (Peste 2021).

    A sparse phase removes the smallest weights, a dense one frees them. Three things differ from SparseML: fractions
    of epochs are taken; the last phase is the last of the training where that ends first; and since our optimizer is
    AdamW, its mean of gradients is what `momentum_buffer_reset` sets to zero (SparseML knows the buffer of SGD alone).
    """

    tag: ClassVar[str] = "ACDCPruningModifier"
    summary: ClassVar[str] = "trains dense and sparse by turns"

    start_epoch: float
    end_epoch: float
    update_frequency: float  # epochs, the length of a phase
    compression_sparsity: float
    params: tuple[str, ...]
    global_sparsity: bool = True  # one ranking over all parameters, or one for each
    leave_enabled: bool = True  # hold the masks after the end
    momentum_buffer_reset: bool = True
    mask_type: MaskType = field(default_factory=MaskType)

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=REQUIRED, end=REQUIRED, empty=False, forever=False)
        kind = MaskType.read(fields)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            update_frequency=fields.number("update_frequency", above=0),
            compression_sparsity=kind.complete(fields, "compression_sparsity", fields.number("compression_sparsity")),
            params=fields.params(),
            global_sparsity=fields.flag("global_sparsity", True),
            leave_enabled=fields.flag("leave_enabled", True),
            momentum_buffer_reset=fields.flag("momentum_buffer_reset", True),
            mask_type=kind,
        )
        if not 0 <= spec.compression_sparsity <= 1:
            found = f"found {spec.compression_sparsity:g}"
            fields.problem("compression_sparsity", f"`compression_sparsity` must be from 0 to 1, {found}")
        fields.finish()
        return spec

    def is_dense(self, epoch: float, epochs: float) -> bool:
        """Whether weights are free at `epoch` of a training of `epochs`: in even phases, but the last."""
        if reached(epoch, until(self, epochs) - self.update_frequency):
            return False
        return math.floor((epoch - begin(self)) / self.update_frequency + 1e-9) % 2 == 0

    def phases(self, epochs: float) -> Sequence[Phase]:
        last = percent(self.compression_sparsity)
        how = "all together" if self.global_sparsity else "each parameter"
        told = f"dense and {last} sparse by turns of {number(self.update_frequency)} epochs, {how}{self.mask_type.told}"
        return ramp_and_after(self.tag, self, epochs, told, last, is_held=self.leave_enabled)

    def attach(self, run: Run) -> Attached:
        return _Alternating(self, run)


class _Alternating(Holding):
    def __init__(self, spec: ACDCPruning, run: Run) -> None:
        super().__init__(spec.tag, run.weights(select(run.model, spec.params, spec.tag)), spec.mask_type.text)
        self.spec = spec
        self.model = run.model
        self.optimizer = run.optimizer
        spec.mask_type.check(spec.tag, after_cuts(self.held.weights, run))
        last = until(spec, run.epochs) - spec.update_frequency  # when the last phase begins
        if begin(spec) < run.epochs:
            check_left(spec.tag, last, self.held.weights, run)
        if spec.leave_enabled:
            check_zeros(spec.tag, last, self.held.weights, run, together=spec.global_sparsity)

    def before_step(self, moment: Moment) -> None:
        spec = self.spec
        if not has_started(spec, moment):
            return
        if has_ended(spec, moment) and not spec.leave_enabled:
            self.held.release()
        elif self._is_dense(moment) and self.held.masks:
            self.held.release()
            self._forget_momentum()
        elif not self._is_dense(moment) and self._was_free(moment):
            self._compress(moment)

    def promises(self) -> Sequence[Promise]:
        if not self.held.masks:
            return ()
        names = at_work(self.model, self.held.weights)
        return self.spec.mask_type.promises(
            self.spec.tag,
            {name: tuple(self.held.weights[name].shape) for name in names},
            dict.fromkeys(names, self.spec.compression_sparsity),
            together=self.spec.global_sparsity,
        )

    def _is_dense(self, moment: Moment) -> bool:
        return self.spec.is_dense(moment.epoch, moment.epochs)

    def _was_free(self, moment: Moment) -> bool:
        before = moment.before
        return before is None or not has_started(self.spec, before) or self._is_dense(before)

    def _compress(self, moment: Moment) -> None:
        names = at_work(self.model, self.held.weights)
        if not names and reached(moment.epoch, until(self.spec, moment.epochs) - self.spec.update_frequency):
            raise TargetFailed(nothing_left(self.spec.tag, moment.epoch), hint=NAME_OTHERS)
        scores = {name: self.held.weights[name].detach().abs() for name in names}
        self.spec.mask_type.check(self.spec.tag, {name: score.shape for name, score in scores.items()})
        wanted = dict.fromkeys(names, self.spec.compression_sparsity)
        self.held.grow(self.spec.mask_type.masks(scores, wanted, together=self.spec.global_sparsity))

    def _forget_momentum(self) -> None:
        """The mean of gradients was made while the weights that are free again stood at zero."""
        if not self.spec.momentum_buffer_reset:
            return
        for weight in self.held.weights.values():
            state = self.optimizer.state.get(weight, {})  # a look by key would make one for what is not trained
            for name in {"exp_avg", "momentum_buffer"} & state.keys():
                state[name].zero_()
