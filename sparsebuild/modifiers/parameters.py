"""Which parameters of a model a modifier means by `params`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sparsebuild.errors import Problem, RecipeError
from sparsebuild.modifiers.fields import ALL, ALL_PRUNABLE
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from torch import nn

__all__ = ["at_work", "meant", "prunable", "select"]


def select(
    model: nn.Module, params: Sequence[str], tag: str, *, only_prunable: bool = False, strict: bool = True
) -> list[str]:
    """The names that `params` means, in the model's order; raises RecipeError for an entry that means none.

    `__ALL__` is every parameter, `__ALL_PRUNABLE__` see `prunable`; `re:<pattern>` matches from the start of the name,
    as `re.match` does; anything else is a full name. With `only_prunable` others are passed over. Without `strict` an
    entry may mean none.
    """
    weights = prunable(model)
    names = weights if only_prunable else [name for name, _ in model.named_parameters()]
    chosen: set[str] = set()
    for text, found in zip(params, meant(params, names, weights), strict=True):
        if not found and strict:
            hint = did_you_mean(text, names) or f"the model has, for example, `{names[0]}`" if names else ""
            raise RecipeError(Problem(message=f"{tag}: `{text}` is no parameter of the model", hint=hint))
        chosen |= set(found)
    return [name for name in names if name in chosen]


def prunable(model: nn.Module) -> list[str]:
    """The weights of Linears and convolutions: what `__ALL_PRUNABLE__` meant in SparseML 1.0 to 1.7.

    SparseML 1.8 added Embeddings. We do not: their rows are read one by one, and a row of zeros is a lost word.
    """
    from torch import nn
    from torch.nn.modules.conv import _ConvNd

    modules = dict(model.named_modules(remove_duplicate=False))
    kinds = (nn.Linear, _ConvNd)
    return [
        name
        for name, _ in model.named_parameters()
        if name.endswith("weight") and isinstance(modules[name.rpartition(".")[0]], kinds)
    ]


def at_work(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Those of `names` that do not lie in a layer which a LayerPruningModifier has taken out."""
    from sparsebuild.training.skipped_layers import skipped

    out = tuple(f"{layer}." for layer in skipped(model))
    return [name for name in names if not name.startswith(out)] if out else list(names)


def _predicate(text: str, weights: Sequence[str]) -> Callable[[str], bool]:
    if text == ALL:
        return lambda name: True
    if text == ALL_PRUNABLE:
        return set(weights).__contains__
    if text.startswith("re:"):
        pattern = re.compile(text.removeprefix("re:"))
        return lambda name: pattern.match(name) is not None
    return lambda name: name == text


def meant(texts: Sequence[str], names: Sequence[str], weights: Sequence[str]) -> list[tuple[str, ...]]:
    """For each entry of `params` those of `names` that it means; `weights` are the prunable ones."""
    return [tuple(filter(_predicate(text, weights), names)) for text in texts]
