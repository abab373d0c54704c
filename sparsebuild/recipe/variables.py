"""Putting arguments and variables in place: every `eval(...)` of a recipe becomes a value, in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from sparsebuild.errors import Position, Problem, RecipeError
from sparsebuild.recipe.document import Document, Entry, Reference, Resolved, Value, Variable
from sparsebuild.recipe.expression import (
    ExpressionError,
    evaluate,
    holds_expression,
    is_expression,
    names,
    names_in,
    substitute,
)
from sparsebuild.recipe.frame import with_frame
from sparsebuild.registry import did_you_mean

__all__ = ["resolve"]

_LONGEST_CHAIN = 100  # variables that refer to each other
_LARGEST = 2_000_000  # characters, of all values
_MOST_ARGUMENTS = 1000
_MOST_PROBLEMS = 100


class BadArguments(RecipeError):
    """What is wrong with arguments, by their names: whoever knows where they were given can say so."""

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        super().__init__(*problems.values())
        self.by_name = problems


def resolve(document: Document, args: Mapping[str, Any] | None = None) -> Resolved:
    """The recipe with `args` in place of its variables of the same names, in every stage that has one.

    An argument keeps its type, and may itself be an `eval(...)`. Raises RecipeError with everything that is wrong: an
    argument that no variable has the name of (as BadArguments), an unknown variable, a cycle, an expression that is not
    allowed.
    """
    given = dict(args or {})
    if problems := dict(_argument_problems(document, given)):
        raise BadArguments({name: with_frame(p, document.text) for name, p in problems.items()})
    resolver = _Resolver(document, given)
    variables = {name: resolver.variable(("", name), ()) for name in document.variables}
    stages = {s.name: {n: resolver.variable((s.name, n), ()) for n in s.variables} for s in document.stages}
    entries = tuple(resolver.entry(e) for e in document.entries)
    if resolver.problems:
        raise RecipeError(*(with_frame(p, document.text) for p in dict.fromkeys(resolver.problems)))
    _refuse_endless(document, resolver.known.values(), entries)
    return Resolved(entries=entries, variables=variables, stages=stages, text=document.text)


def _refuse_endless(document: Document, values: Iterable[Value], entries: tuple[Entry, ...]) -> None:
    """Raise for a recipe that grows out of all measure once its variables are written out: each may double another."""
    sizes: dict[int, int] = {}
    total = sum(_size(value, sizes) for value in values)
    total += sum(_size(value, sizes) for entry in entries for value in entry.fields.values())
    if total > _LARGEST:
        message = f"with its variables written out, {document.file} has more than {_LARGEST} characters"
        raise RecipeError(Problem(message=message, position=Position(file=document.file, line=1)))


def _size(value: Value, sizes: dict[int, int]) -> int:
    """About how many characters a value takes; what is shared, and counted in each place, is looked at once."""
    if id(value) not in sizes:
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        own = len(value) if isinstance(value, str) else 4
        sizes[id(value)] = own + sum(_size(item, sizes) for item in inner)
    return sizes[id(value)]


def _argument_problems(document: Document, args: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    known = [name for name in document.names if name != "version"]
    for name, value in islice(args.items(), _MOST_ARGUMENTS):
        if name not in document.names:
            listed = f"its variables are: {', '.join(known[:50])}" if known else "it has no variables"
            hint = " ".join(t for t in (did_you_mean(name, known), listed) if t)
            yield name, Problem(message=f"the recipe {document.file} has no variable `{name}` to set", hint=hint)
        elif name in document.borrowed:
            yield (
                name,
                Problem(
                    message=f"`{name}` cannot be set: an alias here takes a part of its value as it is written",
                    position=document.borrowed[name],
                    hint=f"in place of the alias write `eval(...)` of a variable of its own, or edit `{name}` itself",
                ),
            )
        elif not _is_json(value):
            what = "is not a finite number, a string, a list or a table"
            yield name, Problem(message=f"the recipe argument `{name}` {what}")


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_json(v) for k, v in value.items())
    return value is None or isinstance(value, str | int)


_Key = tuple[str, str]  # the stage in which a variable stands, "" for the top level, and its name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a value stands, and which variables asked for it."""

    positions: Mapping[str, Position]
    stage: str = ""  # whose variables are seen from here
    asking: tuple[_Key, ...] = ()
    context: str = ""
    is_newer: bool = False  # `eval(...)` may stand inside a text


@dataclass(slots=True)
class _Resolver:
    """Resolves each variable once, on demand."""

    document: Document
    args: Mapping[str, Any]
    known: dict[_Key, Value] = field(default_factory=dict)
    broken: set[_Key] = field(default_factory=set)  # variables whose value cannot be known, for reasons noted
    scopes: dict[str, Mapping[str, tuple[str, Variable]]] = field(default_factory=dict)  # by stage
    problems: list[Problem] = field(default_factory=list)

    def scope(self, stage: str) -> Mapping[str, tuple[str, Variable]]:
        if stage not in self.scopes:
            self.scopes[stage] = self.document.scope(stage)
        return self.scopes[stage]

    def variable(self, key: _Key, asking: tuple[_Key, ...]) -> Value:
        """The value of a variable, asked for by the chain of variables `asking`; None after a problem was noted."""
        if key in self.known:
            return self.known[key]
        stage, name = key
        written = self.scope(stage)[name][1]
        if key in asking or len(asking) >= _LONGEST_CHAIN:
            self._note(written.positions[""], *_circle(key, asking))
            self.known[key] = None
            self.broken.add(key)
            return None
        told = f"the recipe argument `{name}`: " if name in self.args else ""
        place = _Place(positions=written.positions, stage=stage, asking=(*asking, key), context=told)
        found = self.value(self.args.get(name, written.value), place, "")
        return self.known.setdefault(key, found)

    def entry(self, entry: Entry) -> Entry:
        place = _Place(positions=entry.field_positions, stage=entry.stage, is_newer=entry.is_newer)
        return replace(entry, fields={k: self.value(v, place, k) for k, v in entry.fields.items()})

    def value(self, value: Value, place: _Place, path: str) -> Value:
        """`value` with its expressions and references replaced."""
        if isinstance(value, Reference):
            key = (value.stage, value.variable)
            found = self.variable(key, place.asking)
            self.broken.update(place.asking[-1:] if key in self.broken else ())
            return found
        if isinstance(value, Mapping):
            return {k: self.value(v, place, f"{path}.{k}") for k, v in value.items()}
        if isinstance(value, list | tuple):
            return tuple(self.value(v, place, f"{path}[{i}]") for i, v in enumerate(value))
        if is_expression(value) or (place.is_newer and holds_expression(value)):
            return self._evaluated(value, place, path)
        return value

    def _evaluated(self, text: str, place: _Place, path: str) -> Value:
        scope = self.scope(place.stage)
        try:
            asked = [n for n in (names_in if place.is_newer else names)(text) if n in scope]
            keys = {n: self._key(n, place, scope) for n in asked}
            variables = {n: self.variable(key, place.asking) for n, key in keys.items()}
            if self.broken.isdisjoint(keys.values()):
                return (substitute if place.is_newer else evaluate)(text, {**dict.fromkeys(scope), **variables})
        except ExpressionError as error:
            message = f"{place.context}`{_short(text)}` cannot be computed: {error}"
            self._note(place.positions.get(path, place.positions.get("")), message, error.hint)
        self.broken.update(place.asking[-1:])
        return None

    def _key(self, name: str, place: _Place, scope: Mapping[str, tuple[str, Variable]]) -> _Key:
        """The variable that `name` means here; in a stage's own definition of a name, that of the top level."""
        key = (scope[name][0], name)
        return self.document.meant(key, place.asking[-1] if place.asking else None)

    def _note(self, position: Position | None, message: str, hint: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(message=message, position=position, hint=hint))


def _circle(key: _Key, asking: tuple[_Key, ...]) -> tuple[str, str]:
    if key not in asking:
        return f"variables refer to each other more than {_LONGEST_CHAIN} deep", ""
    circle = [name for _, name in (*asking[asking.index(key) :], key)]
    return f"variables refer to each other in a circle: {' → '.join(circle)}", "give one of them a value"


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
