"""What a recipe says, as values: as it was written (`Document`), and with every `eval(...)` done (`Resolved`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sparsebuild.digest import canonical_json
from sparsebuild.errors import Position

__all__ = ["Document", "Entry", "Reference", "Resolved", "Stage", "Value", "Variable", "plain"]

Value = Any  # str | int | float | bool | None | tuple[Value, ...] | Mapping[str, Value] | Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A YAML alias of a variable's value: it follows the variable, also when that is overridden."""

    variable: str
    stage: str = ""  # in which the variable stands; "" is the top level


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A top-level key that is not a list of modifiers."""

    value: Value
    positions: Mapping[str, Position]  # of the value under "", of what is in it under its path, such as "[2].name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One modifier of a recipe: its tag without "!", and its fields. Positions are empty in what came from JSON."""

    tag: str
    fields: Mapping[str, Value]
    stage: str = field(default="", compare=False)  # whose variables it sees first; "" is the top level
    is_newer: bool = field(default=False, compare=False)  # `Name: {…}`, where `eval(…)` may stand inside a text
    position: Position | None = field(default=None, compare=False)
    key_positions: Mapping[str, Position] = field(default_factory=dict, compare=False)  # of the names of fields
    field_positions: Mapping[str, Position] = field(default_factory=dict, compare=False)  # by path: "params[2]"

    def where(self, path: str) -> Position | None:
        """Where the value of a field stands, or else the modifier."""
        return self.field_positions.get(path, self.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a recipe with variables of its own. Its epochs are those of the whole training."""

    name: str
    position: Position
    variables: Mapping[str, Variable] = field(default_factory=dict)
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A recipe as it was written: groups of modifiers, of all stages, are one list, in the order of the file."""

    file: str
    text: str = field(repr=False)
    variables: Mapping[str, Variable]
    entries: tuple[Entry, ...]
    metadata: Mapping[str, Value] = field(default_factory=dict)  # the key `__metadata__`
    borrowed: Mapping[str, Position] = field(default_factory=dict)  # variables of which an alias takes only a part
    stages: tuple[Stage, ...] = ()

    def scope(self, stage: str) -> Mapping[str, tuple[str, Variable]]:
        """What a name means in a stage: its own variables, then those of the top level; with the stage it stands in."""
        found = {name: ("", variable) for name, variable in self.variables.items()}
        for one in self.stages:
            if one.name == stage:
                found |= {name: (stage, variable) for name, variable in one.variables.items()}
        return found

    def meant(self, key: tuple[str, str], asking: tuple[str, str] | None) -> tuple[str, str]:
        """The variable, stage and name, that `key` is in an `eval(...)` of the variable `asking`: where a stage defines
        a name by itself, that of the top level."""
        is_itself = key == asking and key[0] and key[1] in self.variables
        return ("", key[1]) if is_itself else key

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all variables, each once: an argument sets a variable wherever it stands."""
        inner = (name for stage in self.stages for name in stage.variables)
        return tuple(dict.fromkeys([*self.variables, *inner]))

    @property
    def version(self) -> Value:
        """The key `version`; SparseML writes it and never looks at it, and nor do we."""
        return self.variables["version"].value if "version" in self.variables else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A recipe with its arguments in place: what a training is asked to do, and nothing else.

    `to_json` is what counts for the question whether training has to run again: comments, positions, the names of
    variables and groups, and the order of keys and modifiers are not in it.
    """

    entries: tuple[Entry, ...]
    variables: Mapping[str, Value] = field(default_factory=dict, compare=False)
    stages: Mapping[str, Mapping[str, Value]] = field(default_factory=dict, compare=False)  # their own variables
    text: str = field(default="", repr=False, compare=False)  # for the frames of errors

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, `{"modifiers": {tag: [fields, …]}}`; by tag, so that a reason names the modifier that changed.

        Modifiers of one tag stand in an order of their own, since their order in the file means nothing.
        """
        by_tag: dict[str, list[Any]] = {}
        for entry in self.entries:
            by_tag.setdefault(entry.tag, []).append(plain(entry.fields))
        return {"modifiers": {tag: sorted(by_tag[tag], key=canonical_json) for tag in sorted(by_tag)}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Resolved:
        """The value that `to_json` was taken from, without positions, variables and text."""
        found = [(tag, fields) for tag, several in data["modifiers"].items() for fields in several]
        return cls(entries=tuple(Entry(tag=tag, fields=_frozen(fields)) for tag, fields in found))


def plain(value: Value) -> Any:
    """Lists for tuples and dicts for mappings: what JSON has."""
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(v) for v in value]
    return value


def _frozen(value: Any) -> Value:
    if isinstance(value, Mapping):
        return {k: _frozen(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_frozen(v) for v in value)
    return value
