"""Gradual magnitude pruning under its older name: `GMPruningModifier`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.gradual_pruning import GradualPruning
from sparsebuild.recipe import Entry

__all__ = ["GMPruning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GMPruning(GradualPruning):
    """Each parameter by itself, or all together with `global_sparsity: true`."""

    tag: ClassVar[str] = "GMPruningModifier"
    summary: ClassVar[str] = "removes the smallest weights, step by step"

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        spec = cls._read(fields, is_global=fields.flag("global_sparsity", False))
        fields.only("phased", (False, 0), "masks only grow", "leave it out")
        fields.only(
            "score_type",
            ("magnitude",),
            "weights are scored by magnitude",
            "see MovementPruningModifier and OBSPruningModifier",
        )
        fields.finish()
        return spec
