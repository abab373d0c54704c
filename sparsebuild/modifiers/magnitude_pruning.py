"""Gradual pruning by magnitude, each parameter by itself: `MagnitudePruningModifier`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sparsebuild.modifiers.gradual_pruning import GradualPruning

__all__ = ["MagnitudePruning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MagnitudePruning(GradualPruning):
    """Every parameter becomes as sparse as the recipe says."""

    tag: ClassVar[str] = "MagnitudePruningModifier"
    summary: ClassVar[str] = "removes the smallest weights of each parameter, step by step"
