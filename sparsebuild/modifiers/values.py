"""What a recipe puts into a parameter: a number for every element, or nested lists in the parameter's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.span import number

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Value", "check_shapes", "read_value", "shape_of", "told"]

Value = Any  # float | tuple[Value, ...]


def read_value(fields: Fields, name: str) -> Value:
    """The field `name`: a number, or lists of equal length, nested as deep as the parameter has dimensions."""
    given = fields.entry.fields.get(name)
    fields.ignored(name)
    if name not in fields.entry.fields:
        fields.problem(name, f"`{fields.entry.tag}` needs the setting `{name}`")
    elif shape_of(given) is None:
        fields.problem(name, f"`{name}` must be a number, or nested lists of numbers of equal length")
    else:
        return _floats(given)
    return 0.0


def shape_of(value: Value) -> tuple[int, ...] | None:
    """() of a number, (rows, columns) of a list of lists; None of what has no shape."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ()
    if not isinstance(value, tuple | list) or not value:
        return None
    inner = {shape_of(v) for v in value}
    only = inner.pop()
    return (len(value), *only) if not inner and only is not None else None


def told(value: Value) -> str:
    """For people: the number, or that it is many."""
    shape = shape_of(value)
    return number(value) if not shape else f"{' x '.join(map(str, shape))} numbers"


def check_shapes(tag: str, name: str, value: Value, weights: Mapping[str, Tensor]) -> None:
    """Raise RecipeError where `value` is a list and a parameter has another shape."""
    shape = shape_of(value)
    for parameter, weight in weights.items():
        if shape and shape != tuple(weight.shape):
            raise RecipeError(
                f"{tag}: `{name}` has the shape {list(shape)}, and `{parameter}` {list(weight.shape)}",
                hint="a single number is put into every element",
            )


def _floats(value: Value) -> Value:
    return tuple(map(_floats, value)) if isinstance(value, tuple | list) else float(value)
