"""What a model brings along to its training, and whether the recipe keeps it: told before the first step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from sparsebuild.modifiers.base import Modifier
from sparsebuild.modifiers.parameters import select
from sparsebuild.modifiers.quantization import Quantization
from sparsebuild.numerics.quantization_scheme import Grid, Scheme
from sparsebuild.training.models import labels_of
from sparsebuild.training.quantization import quantized_modules, scheme_of
from sparsebuild.training.structure import prunable_weights

__all__ = ["brought_along"]

_OF_STRUCTURES = ("LayerPruningModifier", "StructuredPruningModifier")  # hold no weights at zero
_FEW = 0.01  # of the weights: no model was pruned for less


def brought_along(
    model: Any, specs: Sequence[Modifier], had: Sequence[str] | None = None
) -> Iterator[tuple[str, Literal["info", "warning"]]]:
    """Sentences about a model that is sparse or quantized already, or `had` a classifier, each with its level."""
    if had is not None and sorted(had) != sorted(labels_of(model)):
        yield f"the model's classifier is for other labels ({_some(had)}), and gives way to a fresh one", "info"
    weights = prunable_weights(model)
    size, zeros = sum(w.numel() for w in weights.values()), {n: int((w == 0).sum()) for n, w in weights.items()}
    if sum(zeros.values()) >= _FEW * size:
        arrives = f"the model arrives with {sum(zeros.values()) / size:.1%} of its prunable weights at zero"
        kept = _held(model, specs)
        lost = sum(count for name, count in zeros.items() if name not in kept)
        if lost < _FEW * size:
            yield arrives, "info"
        else:
            which = "them" if lost == sum(zeros.values()) else f"{lost} of these zeros"
            yield f"{arrives}, and nothing keeps {which} there: ConstantPruningModifier would", "warning"
    if count := len(list(quantized_modules(model))):
        yield f"the model arrives quantized: {count} modules, with the ranges that they came with", "info"
        if differing := _otherwise(model, specs):
            told = ", ".join(f"{what} ({n} modules)" for what, n in differing.most_common())
            yield (
                f"{Quantization.tag} changes nothing in what arrives quantized, and asks for something else: {told}",
                ("warning"),
            )


def _some(labels: Sequence[str]) -> str:
    return ", ".join([*labels[:5], *(["…"] if len(labels) > 5 else [])])


def _otherwise(model: Any, specs: Sequence[Modifier]) -> Counter[str]:
    """What a recipe's quantization says otherwise of modules that are quantized already, and of how many."""
    plan: dict[str, Scheme] = {}
    for spec in specs:
        if isinstance(spec, Quantization):
            plan = {**spec.plan(model), **plan}  # the first quantizes
    if not plan:
        return Counter()
    there = {name: scheme_of(module) for name, module in quantized_modules(model)}
    return Counter(what for name, has in there.items() for what in _differences(has, plan.get(name, Scheme())))


def _differences(has: Scheme, asked: Scheme) -> Iterator[str]:
    for part in ("inputs", "weights", "outputs"):
        one: Grid | None = getattr(has, part)
        other: Grid | None = getattr(asked, part)
        if one is None or other is None:
            if one != other:
                yield f"{part} in float" if other is None else f"{part} of {other.bits} bits"
            continue
        if one.bits != other.bits:
            yield f"{part} of {other.bits} bits, not {one.bits}"
        if one.symmetric != other.symmetric:
            yield f"{'symmetric' if other.symmetric else 'asymmetric'} {part}"
        if bool(one.per_channel) != bool(other.per_channel):
            yield f"{part} with a scale for {'each channel' if other.per_channel else 'each tensor'}"


def _held(model: Any, specs: Sequence[Modifier]) -> set[str]:
    """The parameters of which modifiers hold weights at zero."""
    found: set[str] = set()
    for spec in specs:
        if spec.tag.endswith("PruningModifier") and spec.tag not in _OF_STRUCTURES:
            levels = getattr(spec, "levels", None) or [spec]
            found.update(*(select(model, level.params, spec.tag, strict=False) for level in levels))
    return found
