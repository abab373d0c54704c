"""Where in a recipe a setting of a modifier stands, and the variables that it is worked out from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sparsebuild.digest import canonical_json
from sparsebuild.errors import Position
from sparsebuild.recipe.document import Document, Entry, Reference, Resolved, Value, plain
from sparsebuild.recipe.expression import holds_expression, is_expression, names, names_in

__all__ = ["Places", "places", "used"]

Places = Mapping[str, Mapping[str, str]]  # key path → {"": "recipe.yaml:12", variable: its place, or "" if given}


def places(document: Document, resolved: Resolved, args: Mapping[str, Any]) -> Places:
    """By the key paths of `Resolved.to_json`: the place of each setting, and of each variable that it follows.

    A variable that an argument gives has no place here: it is where the argument is.
    """
    found: dict[str, Mapping[str, str]] = {"": {"": document.file}}
    followed = _Followed(document, args)
    by_tag: dict[str, list[tuple[Entry, Entry]]] = {}
    for written, done in zip(document.entries, resolved.entries, strict=True):
        by_tag.setdefault(written.tag, []).append((written, done))
    for tag, pairs in by_tag.items():
        pairs.sort(key=lambda pair: canonical_json(plain(pair[1].fields)))  # the order of `to_json`
        for number, (written, _) in enumerate(pairs):
            head = f"modifiers.{tag}[{number}]"
            found.setdefault(f"modifiers.{tag}", {"": _line(written.position)})
            found[head] = {"": _line(written.position)}
            for name, value in written.fields.items():
                found |= {f"{head}.{path}": place for path, place in _of_field(followed, written, name, value)}
    return found


def _of_field(followed: _Followed, entry: Entry, path: str, value: Value) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield path, {"": _line(entry.where(path)), **followed.by(value, entry.stage, entry.is_newer)}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _of_field(followed, entry, f"{path}.{key}", inner)
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _of_field(followed, entry, f"{path}[{number}]", inner)


class _Followed:
    """The variables that hold the numbers which a value is made of, through those that only pass them on."""

    def __init__(self, document: Document, args: Mapping[str, Any]) -> None:
        self._args = args
        # By stage and name; each is looked at once, however many ask for it.
        self._known: dict[tuple[str, str], dict[str, str]] = {}
        self._scope = cache(document.scope)

    def by(self, value: Value, stage: str = "", is_newer: bool = False) -> dict[str, str]:
        """Their places, by name."""
        scope = self._scope(stage)
        asked = [(at, name) for at, name in used(value, stage, is_newer) if name in scope or at != stage]
        found: dict[str, str] = {}
        for at, name in asked:
            found |= self._of((scope[name][0], name) if at == stage and name in scope else (at, name))
        return found

    def _of(self, key: tuple[str, str]) -> Mapping[str, str]:
        if key not in self._known:
            self._known[key] = {}  # of one that follows itself
            stage, variable = key
            written = self._scope(stage)[variable][1]
            own = "" if variable in self._args else _line(written.positions.get(""))
            self._known[key] = self.by(self._args.get(variable, written.value), stage) or {variable: own}
        return self._known[key]


def used(value: Value, stage: str = "", is_newer: bool = False) -> tuple[tuple[str, str], ...]:
    """The variables that a value, which is no list and no mapping, follows: stage from which it is seen, and name."""
    if isinstance(value, Reference):
        return ((value.stage, value.variable),)
    if is_expression(value):
        return tuple((stage, name) for name in names(value))
    if is_newer and holds_expression(value):
        return tuple((stage, name) for name in names_in(value))
    return ()


def _line(position: Position | None) -> str:
    return f"{position.file}:{position.line}" if position else ""
