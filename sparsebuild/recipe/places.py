"""Where in a recipe a setting of a modifier stands, and the variables that it is worked out from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sparsebuild.digest import canonical_json
from sparsebuild.errors import Position
from sparsebuild.recipe.document import Document, Entry, Reference, Resolved, Value, plain
from sparsebuild.recipe.expression import is_expression, names

__all__ = ["Places", "places"]

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
    yield path, {"": _line(entry.where(path)), **followed.by(value)}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _of_field(followed, entry, f"{path}.{key}", inner)
    elif isinstance(value, tuple):
        for number, inner in enumerate(value):
            yield from _of_field(followed, entry, f"{path}[{number}]", inner)


class _Followed:
    """The variables that hold the numbers which a value is made of, through those that only pass them on."""

    def __init__(self, document: Document, args: Mapping[str, Any]) -> None:
        self._variables = document.variables
        self._args = args
        self._known: dict[str, dict[str, str]] = {}  # by variable; each is looked at once, however many ask for it

    def by(self, value: Value) -> dict[str, str]:
        """Their places, by name."""
        asked = (value.variable,) if isinstance(value, Reference) else names(value) if is_expression(value) else ()
        return {name: place for asks in asked if asks in self._variables for name, place in self._of(asks).items()}

    def _of(self, variable: str) -> Mapping[str, str]:
        if variable not in self._known:
            self._known[variable] = {}  # of one that follows itself
            written = self._variables[variable]
            own = "" if variable in self._args else _line(written.positions.get(""))
            self._known[variable] = self.by(self._args.get(variable, written.value)) or {variable: own}
        return self._known[variable]


def _line(position: Position | None) -> str:
    return f"{position.file}:{position.line}" if position else ""
