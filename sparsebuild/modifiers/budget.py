"""Budgets of structured pruning: what an encoder may cost of the dense one, and the shapes that keep to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.fields import Fields
from sparsebuild.numerics.layer_shape import LayerShape

if TYPE_CHECKING:
    from sparsebuild.numerics.budget import Costs
    from sparsebuild.numerics.encoder_costs import EncoderSizes
    from sparsebuild.numerics.kernel_times import KernelTimes

__all__ = ["KINDS", "Budget", "CostModel", "read_budget"]

_MEANING = {
    "latency": "of the time that the dense encoder takes in fp32",
    "flops": "of the dense encoder's multiplications",
    "parameters": "of the dense encoder's parameters",
}
KINDS = tuple(_MEANING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A share of what the dense encoder costs, between 0 and 1.

    Time is that of the exported file in ONNX Runtime, of which the dense file in float32 is the whole.
    """

    kind: str
    share: float

    @property
    def meaning(self) -> str:
        return _MEANING[self.kind]

    def __str__(self) -> str:
        return f"{self.share:g} {self.meaning}"


def read_budget(fields: Fields) -> Budget | None:
    """The budget among the `targets` of an entry, or None; what is wrong with it is noted in `fields`."""
    targets = fields.entry.fields.get("targets", {})
    given = {kind: targets[kind] for kind in KINDS if kind in targets} if isinstance(targets, Mapping) else {}
    if not given:
        return None
    kind, share = next(iter(given.items()))
    where = f"targets.{kind}"
    if len(given) > 1:
        fields.problem(where, f"`targets` can hold one budget, found {' and '.join(given)}")
    elif also := [name for name in ("ffn", "heads") if name in targets]:
        fields.problem(where, f"`{where}` chooses heads and neurons itself: leave out {' and '.join(also)}")
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        fields.problem(where, f"`{where}` must be a share between 0 and 1, found {share}", "0.25 is a quarter of dense")
        return None
    return Budget(kind=kind, share=float(share))


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """What shapes of one encoder cost, in the kind of a budget."""

    kind: str
    meaning: str
    sizes: EncoderSizes  # of the dense encoder
    times: KernelTimes | None = None  # for `latency`

    @classmethod
    def of(cls, budget: Budget, model: Any, dense: Sequence[LayerShape], times: KernelTimes | None, tag: str) -> Self:
        """Of the encoder in `model`, whose layers had the shapes `dense`; RecipeError where times are missing."""
        from sparsebuild.numerics.encoder_costs import EncoderSizes
        from sparsebuild.training.shapes import anatomy, head_width

        if budget.kind == "latency" and times is None:
            raise RecipeError(
                f"{tag}: `targets.latency` needs the kernel times of a machine, and none were measured",
                hint="`sparsebuild run profile` measures them; `flops` and `parameters` need none",
            )
        sizes = EncoderSizes(
            layers=len(dense),
            hidden=model.config.hidden_size,
            heads=max(shape.heads for shape in dense),
            head_width=head_width(model),
            neurons=max(shape.neurons for shape in dense),
            is_gated=anatomy(model).neuron_copies > 1,
        )
        return cls(kind=budget.kind, meaning=budget.meaning, sizes=sizes, times=times)

    def costs(self, left: int, heads: Collection[int], neurons: Collection[int]) -> Costs:
        """What these sizes cost in each of `left` layers, as a share of the dense encoder."""
        from sparsebuild.numerics.encoder_costs import flops_costs, parameter_costs

        if self.times is not None and self.kind == "latency":
            return self.times.costs(left, heads, neurons)
        by_count = flops_costs if self.kind == "flops" else parameter_costs
        return by_count(self.sizes, heads, neurons, left)

    def share(self, shapes: Sequence[LayerShape]) -> float:
        """What an encoder with these layers costs."""
        return self.costs(len(shapes), {s.heads for s in shapes}, {s.neurons for s in shapes}).of(shapes)

    def choices(self, left: Sequence[LayerShape], minimum: LayerShape) -> Costs:
        """What all sizes cost that may be chosen of each layer: from `minimum` on, or what it has, to what it has."""
        from sparsebuild.numerics.budget import grid

        heads = [range(min(minimum.heads, shape.heads), shape.heads + 1) for shape in left]
        neurons = [grid(shape.neurons, min(minimum.neurons, shape.neurons)) for shape in left]
        known = self.costs(len(left), set().union(*heads), set().union(*neurons))
        return replace(known, heads=_of(heads, known.heads), neurons=_of(neurons, known.neurons))

    def least(self, dense: Sequence[LayerShape], minimum: LayerShape, layers: int) -> float:
        """What the smallest shapes of `layers` of these layers cost: of the cheapest ones."""
        smallest = [
            LayerShape(heads=min(minimum.heads, shape.heads), neurons=min(minimum.neurons, shape.neurons))
            for shape in dense
        ]
        return self.share(sorted(smallest, key=lambda shape: self.share([shape]))[:layers])


def _of(sizes: Sequence[Collection[int]], costs: Sequence[Mapping[int, float]]) -> list[dict[int, float]]:
    """Of the costs of each layer those of its sizes."""
    return [{size: known[size] for size in of_layer} for of_layer, known in zip(sizes, costs, strict=True)]
