"""The variables of a recipe: what each is, what it becomes, and where it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sparsebuild.errors import Position
from sparsebuild.recipe.document import Document, Reference, Resolved, Value, plain
from sparsebuild.recipe.places import used

__all__ = ["Use", "VariableUses", "uses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A place that follows a variable."""

    what: str  # "GMPruningModifier.end_epoch", or another variable: "half", "stage_0.half"
    position: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableUses:
    """One variable as it is defined in the recipe, or in one of its stages."""

    name: str
    stage: str  # "" for the top level
    position: Position
    written: Value  # its default; an alias is told as the variable that it means
    value: Value  # with arguments in place and everything worked out
    is_settable: bool  # not where an alias takes a part of it as it is written
    uses: tuple[Use, ...]


def uses(document: Document, resolved: Resolved) -> tuple[VariableUses, ...]:
    """Every variable but `version`, in the order of the file."""
    found: dict[tuple[str, str], list[Use]] = {}
    for key, use in _all_uses(document):
        found.setdefault(key, []).append(use)
    scopes = [("", document.variables), *((stage.name, stage.variables) for stage in document.stages)]
    return tuple(
        VariableUses(
            name=name,
            stage=stage,
            position=variable.positions[""],
            written=_told(variable.value),
            value=(resolved.stages[stage] if stage else resolved.variables).get(name),
            is_settable=name not in document.borrowed,
            uses=tuple(found.get((stage, name), ())),
        )
        for stage, variables in scopes
        for name, variable in variables.items()
        if name != "version"
    )


def _all_uses(document: Document) -> Iterator[tuple[tuple[str, str], Use]]:
    """Every use, with the stage and the name of the variable that is meant."""
    scopes: dict[str, Mapping[str, Any]] = {"": document.scope("")}
    scopes |= {stage.name: document.scope(stage.name) for stage in document.stages}
    for entry in document.entries:
        for name, value in entry.fields.items():
            for path, inner in _leaves(value, name):
                for stage, asked in used(inner, entry.stage, entry.is_newer):
                    if asked in scopes[stage]:
                        what = f"{entry.tag}.{path}"
                        yield (scopes[stage][asked][0], asked), Use(what=what, position=entry.where(path))
    for stage_name, variables in [("", document.variables), *((s.name, s.variables) for s in document.stages)]:
        for name, variable in variables.items():
            what = f"{stage_name}.{name}" if stage_name else name
            for path, inner in _leaves(variable.value, ""):
                for stage, asked in used(inner, stage_name):
                    if asked in scopes[stage]:
                        key = document.meant((scopes[stage][asked][0], asked), (stage_name, name))
                        yield key, Use(what=what, position=variable.positions.get(path))


def _leaves(value: Value, path: str) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


def _told(value: Value) -> Any:
    return f"*{value.variable}" if isinstance(value, Reference) else _plain(value)


def _plain(value: Value) -> Any:
    if isinstance(value, Mapping):
        return {key: _told(inner) for key, inner in value.items()}
    return [_told(inner) for inner in value] if isinstance(value, tuple) else plain(value)
