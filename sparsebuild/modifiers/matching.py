"""Which tensors of a model a recipe means, from their names and shapes alone: before anything is fetched or trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsebuild.encoders import ENCODERS, Encoder
from sparsebuild.errors import Position, Problem, RecipeError
from sparsebuild.modifiers.elsewhere import instead
from sparsebuild.modifiers.parameters import meant
from sparsebuild.modifiers.reading import entries_and_specs
from sparsebuild.modifiers.structured_pruning import StructuredPruning
from sparsebuild.recipe import Entry, Resolved
from sparsebuild.recipe.frame import with_frame
from sparsebuild.registry import did_you_mean

__all__ = ["Matched", "Tensors", "are_float", "check", "matches", "of_training"]

_ONLY_LINEARS = ("GlobalFisherPruningModifier",)  # passes over what `params` means besides
_LAYERS = "layers"  # the setting that names whole layers of the encoder
_MODULES = ("submodules", _LAYERS, "student_layer_names")  # settings that name modules, not parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensors:
    """The parameters of the model that is trained, and those that `__ALL_PRUNABLE__` means."""

    names: tuple[str, ...]
    prunable: tuple[str, ...]
    most: Mapping[str, int]  # how many `heads` and neurons (`ffn`) its layers have, and how many `layers`, where known

    @property
    def linears(self) -> tuple[str, ...]:
        """The names of the Linears: these models have no other prunable layers."""
        return tuple(name.removesuffix(".weight") for name in self.prunable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What one entry of a modifier's `params`, or of its list of modules, means."""

    modifier: str
    setting: str  # "params[1]"
    text: str
    names: tuple[str, ...]
    position: Position | None
    may_be_none: bool = False  # the recipe says that a name that means nothing is no fault


def of_training(shapes: Mapping[str, Sequence[int]], model_type: str, head_width: int | None = None) -> Tensors | None:
    """The parameters that a token classifier has once it is opened from a checkpoint of these tensors.

    A bare encoder's names get the encoder's before them, a pooler and heads for other tasks are left behind, and what
    SparseML adds to names is taken out. None for what is not known well enough to say.
    """
    encoder = ENCODERS.get(model_type)
    if encoder is None:
        return None
    plain = {_plain(name): tuple(shape) for name, shape in shapes.items() if _is_parameter(name)}
    if not any(name.startswith(f"{encoder.base}.") for name in plain):
        plain = {name if name in encoder.head else f"{encoder.base}.{name}": s for name, s in plain.items()}
    inside = (f"{encoder.layers}.", encoder.embeddings, f"{encoder.base}.final_norm.")
    kept = {
        name: shape
        for name, shape in plain.items()
        if (name.startswith(inside) or name in encoder.head) and not name.endswith("position_ids")
    }
    if not any(name.startswith(inside[0]) for name in kept):
        return None
    fresh = {name: (0, 0) if _is_linear(name) else (0,) for name in encoder.head if name not in kept}
    kept = {**kept, **fresh}
    prunable = tuple(n for n, shape in kept.items() if n.endswith(".weight") and len(shape) >= 2 and not _is_table(n))
    return Tensors(names=tuple(kept), prunable=prunable, most=_most(encoder, kept, head_width))


def are_float(names: Iterable[str]) -> bool:
    """Whether no tensor is an observer of SparseML's, which a model has that was being quantized."""
    return all(map(_is_parameter, names))


def matches(resolved: Resolved, tensors: Tensors) -> tuple[Matched, ...]:
    """What each entry of each modifier means, in the order in which they act."""
    return tuple(one for entry, spec in entries_and_specs(resolved) for one in _of(entry, spec, tensors))


def check(resolved: Resolved, tensors: Tensors) -> None:
    """Raise RecipeError, with a line for each, for entries that mean nothing in this model, or ask for more than it
    has.
    """
    problems = [_nothing(f, tensors) for f in matches(resolved, tensors) if not (f.names or f.may_be_none)]
    problems += _too_much(resolved, tensors)
    if problems:
        raise RecipeError(*(with_frame(problem, resolved.text) for problem in problems))


def _too_much(resolved: Resolved, tensors: Tensors) -> Iterator[Problem]:
    for entry, spec in entries_and_specs(resolved):
        if isinstance(spec, StructuredPruning):
            for setting, message in spec.too_much(tensors.most):
                yield Problem(message=message, position=entry.where(setting))


def _most(encoder: Encoder, shapes: Mapping[str, Sequence[int]], head_width: int | None) -> dict[str, int]:
    """`Tensors.most`: layers may differ, and the largest counts."""
    inside = f"{encoder.layers}."
    numbers = {name.removeprefix(inside).partition(".")[0] for name in shapes if name.startswith(inside)}
    most = {"layers": len(numbers)}
    places = {"heads": (encoder.anatomy.from_heads, head_width), "ffn": (encoder.anatomy.from_neurons, 1)}
    for what, (path, width) in places.items():
        read = [shapes.get(f"{inside}{number}.{path}.weight", ()) for number in numbers]
        if width and all(len(shape) == 2 for shape in read):
            most[what] = max(shape[1] for shape in read) // width
    return most


def _of(entry: Entry, spec: Any, tensors: Tensors) -> Iterator[Matched]:
    among = tensors.prunable if entry.tag in _ONLY_LINEARS else tensors.names
    asked = list(_texts(entry, spec))
    for (setting, text), found in zip(asked, meant([t for _, t in asked], among, tensors.prunable), strict=True):
        yield _matched(entry, setting, text, found, may_be_none=not getattr(spec, "params_strict", True))
    for named in _MODULES:
        for number, text in enumerate(getattr(spec, named, None) or ()):
            inside = tuple(name for name in tensors.names if name.startswith(f"{text}."))
            if named == _LAYERS and not _is_layer(text):
                inside = ()
            yield _matched(entry, f"{named}[{number}]", text, inside)


def _texts(entry: Entry, spec: Any) -> Iterator[tuple[str, str]]:
    """The entries of `params`, and of a table of levels, with the settings in which they stand."""
    levels = getattr(spec, "levels", None)
    if levels is not None and isinstance(entry.fields.get("final_sparsity"), Mapping):
        for level, (key, _) in zip(levels, entry.fields["final_sparsity"].items(), strict=False):
            yield from ((f"final_sparsity.{key}[{i}]", text) for i, text in enumerate(level.params))
        return
    params = levels[0].params if levels else getattr(spec, "params", ())
    written = entry.fields.get("params")
    alone = written is None or isinstance(written, str)
    yield from (("params" if alone else f"params[{i}]", text) for i, text in enumerate(params or ()))


def _matched(entry: Entry, setting: str, text: str, names: tuple[str, ...], *, may_be_none: bool = False) -> Matched:
    position = entry.field_positions.get(setting) or entry.where(setting.partition("[")[0].partition(".")[0])
    return Matched(
        modifier=entry.tag, setting=setting, text=text, names=names, position=position, may_be_none=may_be_none
    )


def _nothing(found: Matched, tensors: Tensors) -> Problem:
    what, known, example = "parameter", tensors.names, next(iter(tensors.prunable), tensors.names[0])
    if found.setting.startswith(_MODULES):
        what, known = "module", tuple(dict.fromkeys(_modules(tensors.names)))
    if found.setting.startswith(_LAYERS) and (layers := tuple(filter(_is_layer, known))):
        what, known, example = "layer", layers, layers[0]
    near = instead(found.text) or did_you_mean(found.text.removeprefix("re:"), known)
    return Problem(
        message=f"{found.modifier}: `{found.text}` means no {what} of the model",
        position=found.position,
        hint=near or f"it has, for example, `{example}`",
    )


def _modules(names: Iterable[str]) -> Iterator[str]:
    """The modules in which parameters lie, and those that these lie in."""
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:k]) for k in range(1, len(parts)))


def _is_layer(module: str) -> bool:
    """Whether the name of a module is that of one in a list of them, as all encoders' layers are."""
    return module.rpartition(".")[2].isdigit()


def _is_parameter(name: str) -> bool:
    return "fake_quant" not in name and "activation_post_process" not in name


def _plain(name: str) -> str:
    """Without SparseML's wrappers; and LayerNorm's weights as they are called today."""
    name = name.replace(".module.", ".")
    return name.removesuffix(".gamma") + ".weight" if name.endswith(".gamma") else _beta(name)


def _beta(name: str) -> str:
    return name.removesuffix(".beta") + ".bias" if name.endswith(".beta") else name


def _is_linear(name: str) -> bool:
    return name.endswith((".dense.weight", "classifier.weight"))


def _is_table(name: str) -> bool:
    return name.removesuffix(".weight").endswith("embeddings")
