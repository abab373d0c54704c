"""How long training lasts: `EpochRangeModifier`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from sparsebuild.modifiers.base import Attached, Phase, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.span import begin, until
from sparsebuild.recipe import Entry

__all__ = ["EpochRange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRange:
    """Does nothing at any step; its end counts for the number of epochs, rounded up."""

    tag: ClassVar[str] = "EpochRangeModifier"
    summary: ClassVar[str] = "how many epochs training lasts"

    start_epoch: float
    end_epoch: float

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span(start=REQUIRED, end=REQUIRED, forever=False)
        fields.finish()
        return cls(start_epoch=start, end_epoch=end)

    def phases(self, epochs: float) -> Sequence[Phase]:
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value="training"),)

    def attach(self, run: Run) -> Attached:
        return Attached()
