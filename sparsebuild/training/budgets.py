"""A budget that a recipe keeps: the kernel times it is reckoned with, and what `structure.json` tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sparsebuild.modifiers.base import Modifier
from sparsebuild.modifiers.budget import Budget, CostModel
from sparsebuild.modifiers.structured_pruning import StructuredPruning
from sparsebuild.numerics.kernel_times import KernelTimes
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training.shapes import shapes
from sparsebuild.training.structure import KeptBudget

__all__ = ["Keeping", "Profile"]

_OF_LATENCY = ("cpu", "runtime", "threads", "shape", "scheme")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the target `profile` measured."""

    times: KernelTimes
    about: Mapping[str, Any]  # of which CPU, runtime, threads, shape and scheme

    @classmethod
    def read(cls, path: Path) -> Self:
        data = json.loads(path.read_text())
        return cls(times=KernelTimes.from_json(data["milliseconds"]), about={name: data[name] for name in _OF_LATENCY})

    def elsewhere(self, cpu: str) -> str:
        """What to say where the times are those of another machine, or nothing."""
        if self.about["cpu"] == cpu:
            return ""
        return (
            f"the budget of time is kept by kernels that were timed on another CPU, {self.about['cpu']}: "
            "`sparsebuild bench --profile-layers --again` times them here"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The budget of a recipe, and what shapes cost of the model that they are cut out of."""

    budget: Budget
    costs: CostModel
    profile: Profile | None

    @classmethod
    def of(
        cls, model: Any, specs: Sequence[Modifier], profile: Profile | None, dense: Sequence[LayerShape]
    ) -> Self | None:
        """That of the first modifier that has one, or None; `dense` are the layers before anything was cut."""
        for spec in specs:
            if isinstance(spec, StructuredPruning) and (budget := spec.targets.budget):
                costs = CostModel.of(budget, model, dense, profile.times if profile else None, spec.tag)
                return cls(budget=budget, costs=costs, profile=profile)
        return None

    def kept(self, model: Any) -> KeptBudget:
        """What the model costs now."""
        about = self.profile.about if self.profile and self.budget.kind == "latency" else {}
        estimate = self.costs.share(list(shapes(model).values()))
        return KeptBudget(kind=self.budget.kind, asked=self.budget.share, estimate=estimate, **about)
