"""A value put into parameters once: `SetParamModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.parameters import select
from sparsebuild.modifiers.span import begin, has_started, until
from sparsebuild.modifiers.values import Value, check_shapes, read_value, told
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SetParam"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParam:
    """Writes `val` before the first step from `start_epoch` on; training may move it after that.

    A single number is put into every element; in SparseML it fits a parameter without dimensions only.
    """

    tag: ClassVar[str] = "SetParamModifier"
    summary: ClassVar[str] = "puts a value into parameters once"

    start_epoch: float = 0.0
    end_epoch: float = field(default=-1.0, init=False)
    params: tuple[str, ...]
    val: Value
    params_strict: bool = True  # every entry of `params` must name a parameter

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        spec = cls(
            start_epoch=fields.epoch("start_epoch", 0.0),
            params=fields.params(),
            val=read_value(fields, "val"),
            params_strict=fields.flag("params_strict", True),
        )
        fields.only("end_epoch", (-1,), "the value is written once")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        value = f"{', '.join(self.params)} ← {told(self.val)}"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=value),)

    def attach(self, run: Run) -> Attached:
        weights = run.weights(select(run.model, self.params, self.tag, strict=self.params_strict))
        check_shapes(self.tag, "val", self.val, weights)
        return _Setting(self, weights)


class _Setting(Attached):
    def __init__(self, spec: SetParam, weights: Mapping[str, Tensor]) -> None:
        self.spec = spec
        self.weights = weights
        self.is_done = False

    def before_step(self, moment: Moment) -> None:
        import torch

        if self.is_done or not has_started(self.spec, moment):
            return
        check_shapes(self.spec.tag, "val", self.spec.val, self.weights)  # which may have been cut
        with torch.no_grad():
            for weight in self.weights.values():
                weight.copy_(torch.tensor(self.spec.val, dtype=weight.dtype, device=weight.device))
        self.is_done = True

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        self.is_done = moment.before is not None and has_started(self.spec, moment.before)
