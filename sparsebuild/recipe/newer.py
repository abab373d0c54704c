"""The newer form of recipes, `pruning_modifiers: {ConstantPruningModifier: {start: 0}}`, in the words of the older one.

SparseML 1.6 brought it for language models. What both forms can say becomes the same modifier here; the rest keeps its
name, and is refused by it where modifiers are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sparsebuild.errors import Problem, RecipeError
from sparsebuild.recipe.document import Entry

__all__ = ["ONE_SHOT", "RUN_TYPE", "translated"]

RUN_TYPE, ONE_SHOT = "run_type", "oneshot"  # of a stage: one that is not trained

_TAGS = {"LegacyQuantizationModifier": "QuantizationModifier"}  # its form with a scheme
_NAMES = {
    "start": "start_epoch",
    "end": "end_epoch",
    "update": "update_frequency",
    "targets": "params",
    "update_scheduler": "inter_func",
    "mask_structure": "mask_type",
}
_VALUES: Mapping[str, Mapping[str, Any]] = {
    "mask_type": {"0:0": "unstructured"},
    "params": {"Linear": "__ALL_PRUNABLE__"},  # the name of a class stands for its layers
}
_UNSET = (None, False)  # of settings that may be left out
_LEFT_OUT = ("start_epoch", "end_epoch", "update_frequency", "apply_globally")


def translated(entry: Entry) -> Entry:
    """`entry` as the older form would say it; raises RecipeError where it says one thing in both ways."""
    fields: dict[str, Any] = {}
    for name, value in entry.fields.items():
        older = _NAMES.get(name, name)
        if older in fields:
            other = next(key for key in entry.fields if key != name and _NAMES.get(key, key) == older)
            message = f"`{other}` and `{name}` say the same of `{entry.tag}`"
            raise RecipeError(Problem(message=message, position=entry.key_positions.get(name), hint="leave one out"))
        if not (older in _LEFT_OUT and any(value is unset for unset in _UNSET)):
            fields[older] = _value(older, value)
    return replace(
        entry,
        tag=_TAGS.get(entry.tag, entry.tag),
        fields=fields,
        is_newer=True,
        key_positions={_NAMES.get(name, name): at for name, at in entry.key_positions.items()},
        field_positions={_path(path): at for path, at in entry.field_positions.items()},
    )


def _value(name: str, value: Any) -> Any:
    known = _VALUES.get(name, {})
    if isinstance(value, str):
        return known.get(value, value)
    return tuple(_value(name, inner) for inner in value) if isinstance(value, tuple) else value


def _path(path: str) -> str:
    """`targets[2]` as `params[2]`."""
    end = min((at for at in (path.find("["), path.find(".")) if at >= 0), default=len(path))
    return _NAMES.get(path[:end], path[:end]) + path[end:]
