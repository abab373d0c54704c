"""Which modules of a model are quantized, and on which grids: a plan from names to schemes, in both forms of recipes.

A plan is made before training, so that a name that is wrong is told then, and again where quantization starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from sparsebuild.encoders import ATTENTIONS
from sparsebuild.errors import RecipeError, UserError
from sparsebuild.modifiers.modules import lies_in, longest, means
from sparsebuild.numerics.quantization_scheme import Scheme, of_embedding, of_linear
from sparsebuild.registry import did_you_mean

__all__ = ["Plan", "is_attention", "scheme_plan", "submodule_plan"]

Plan = dict[str, Scheme]

_PASSED_OVER = ("Dropout", "Identity", "ActivationQuantizer")  # they compute nothing, or belong to us


def submodule_plan(
    model: nn.Module,
    *,
    submodules: Sequence[str] | None,  # exact names; None: the whole model
    exclude_module_types: Iterable[str],  # class names, of the whole model
    linear: Scheme,
    embedding: Scheme | None,  # of all embeddings, wherever they lie
    attention: Scheme | None,
    custom: Mapping[str, Scheme] | None = None,  # class name → what is rounded of it as well
) -> Plan:
    """The plan of a recipe that names submodules. Raises UserError for one that the model does not have."""
    _check_submodules(model, submodules)
    excluded = set(exclude_module_types)
    plan: Plan = {}
    for name, module in model.named_modules():
        kind = _kind(module)
        if kind in excluded:
            continue
        inside = submodules is None or any(lies_in(name, s) for s in submodules)
        if inside and kind == "Linear":
            plan[name] = linear
        elif embedding and kind == "Embedding":
            plan[name] = embedding
        elif inside and attention and is_attention(module):
            plan[name] = attention
        elif inside and custom and kind in custom:
            plan[name] = custom[kind]
    return plan


def scheme_plan(
    model: nn.Module,
    *,
    scheme: Scheme,
    overrides: Mapping[str, Scheme],  # by the name of a module and all in it, or by class name
    ignore: Sequence[str],  # likewise
    weight_levels: int,  # what 8 bits of a Linear's weight are
    is_strict: bool,  # every entry of both must mean something
    attention: bool,
    tag: str,
) -> Plan:
    """The plan of a recipe with a scheme: every layer that computes has it, its own, or none.

    The longest name wins, then the class. An attention's operands have the grid of inputs.
    """
    plan: Plan = {}
    used: set[str] = set()
    for name, module in model.named_modules():
        kind = _kind(module)
        left_out = [entry for entry in ignore if means(entry, name, kind)]
        chosen = longest(overrides, name, kind)
        used |= {*left_out, *(entry for entry in overrides if means(entry, name, kind))}
        if left_out:
            continue
        given = overrides[chosen] if chosen else scheme
        if is_attention(module):
            if attention and given.inputs:
                plan[name] = Scheme(inputs=given.inputs)
        elif kind == "Embedding":
            plan[name] = of_embedding(given)
        elif kind == "Linear":
            plan[name] = of_linear(given, weight_levels)
        elif next(module.children(), None) is None and kind not in _PASSED_OVER:
            plan[name] = Scheme(inputs=given.inputs, outputs=given.outputs)
    if is_strict:
        _check_used(model, [*overrides, *ignore], used, tag)
    return {name: scheme for name, scheme in plan.items() if scheme != Scheme()}


def is_attention(module: nn.Module) -> bool:
    """Whether a module multiplies queries, keys and values in a way that can be given another function."""
    return type(module).__name__ in ATTENTIONS


def _kind(module: nn.Module) -> str:
    """The class name; of a layer that is quantized already, the name it had before."""
    kind = type(module)
    is_swapped = hasattr(module, "scheme") and not is_attention(module)
    return kind.__bases__[-1].__name__ if is_swapped else kind.__name__


def _check_submodules(model: nn.Module, submodules: Sequence[str] | None) -> None:
    known = [name for name, _ in model.named_modules() if name]
    for name in submodules or ():
        if name not in known:
            near = did_you_mean(name, known) or f"the top ones are: {', '.join(n for n in known if '.' not in n)}"
            raise UserError(f"the recipe quantizes submodule `{name}`, which the model does not have", hint=near)


def _check_used(model: nn.Module, entries: Sequence[str], used: set[str], tag: str) -> None:
    names = [name for name, _ in model.named_modules() if name]
    kinds = sorted({_kind(module) for module in model.modules()})
    for entry in entries:
        if entry not in used:
            near = did_you_mean(entry, [*kinds, *names]) or "`strict: false` lets it pass"
            raise RecipeError(f"{tag}: `{entry}` is no module of the model, and no class of one", hint=near)
