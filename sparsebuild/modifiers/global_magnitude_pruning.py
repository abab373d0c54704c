"""Gradual pruning by magnitude, one ranking over all parameters: `GlobalMagnitudePruningModifier`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.gradual_pruning import GradualPruning
from sparsebuild.recipe import Entry

__all__ = ["GlobalMagnitudePruning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalMagnitudePruning(GradualPruning):
    """All parameters together become as sparse as the recipe says."""

    tag: ClassVar[str] = "GlobalMagnitudePruningModifier"
    summary: ClassVar[str] = "removes the smallest weights of all parameters together, step by step"

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        spec = cls._read(fields, is_global=True)
        fields.finish()
        return spec
