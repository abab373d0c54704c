"""YAML to nodes: PyYAML's composer, with aliases kept, nesting bounded, and scalars resolved as recipes mean them.

Scalars are read as YAML 1.1 reads them (`yes` is true), except that `1e-4` is a number, that `2:4` and `010` are not,
and that dates stay text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from sparsebuild.errors import Position, Problem, RecipeError

__all__ = ["PREFIX", "Alias", "compose"]

PREFIX = "tag:yaml.org,2002:"
_DEEPEST = 30  # lists and mappings inside each other


def compose(source: str, file: str) -> yaml.Node:
    """The root node of the one document in `source`; raises RecipeError."""
    try:
        node: yaml.Node | None = _Composer(source).get_single_node()
    except yaml.reader.ReaderError as error:
        position = Position(file=file, line=source.count("\n", 0, error.position) + 1)
        message = f"a recipe cannot hold the character U+{ord(source[error.position]):04X}"
        raise RecipeError(Problem(message=message, position=position)) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from None
    except (ValueError, OverflowError):  # of PyYAML: `\\UFFFFFFFF`, a version of YAML with thousands of digits
        raise RecipeError(f"{file} is not YAML: it holds a number or a character that there is not") from None
    if node is None:
        raise RecipeError(Problem(message="the recipe is empty", position=Position(file=file, line=1)))
    return node


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> RecipeError:
    mark = error.problem_mark or error.context_mark
    position = Position(file=file, line=mark.line + 1, column=mark.column + 1) if mark else None
    context = f" ({error.context})" if error.context else ""
    said = str(error.problem) if isinstance(error, _TooDeep) else f"this is not YAML: {error.problem}{context}"
    return RecipeError(Problem(message=said, position=position))


class Alias(yaml.Node):
    """The place where `*name` stands, and the node it means."""

    def __init__(self, target: yaml.Node, event: Any) -> None:
        super().__init__(target.tag, target.value, event.start_mark, event.end_mark)
        self.target = target


class _TooDeep(yaml.MarkedYAMLError):
    """Nesting that no recipe needs."""


class _Composer(yaml.SafeLoader):
    """PyYAML's composer with aliases kept, nesting bounded, and scalars resolved as the head of this file says."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own name
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            target = super().compose_node(parent, index)
            return Alias(target, event) if target is not None else None
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _TooDeep(None, None, f"values are nested more than {_DEEPEST} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_SCALARS = {
    "bool": (r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    "int": (r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    "merge": (r"<<", "<"),
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
}
for _name, (_pattern, _first) in _SCALARS.items():
    _Composer.add_implicit_resolver(PREFIX + _name, re.compile(f"^(?:{_pattern})$"), list(_first))
