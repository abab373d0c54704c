"""What two recipes say differently: variables and modifiers, old value → new, each with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsebuild.recipe.document import Document, Entry, Resolved, plain

__all__ = ["ABSENT", "Difference", "differences"]


class Absent:
    """There is nothing on this side."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same, everything worked out. `old` or `new` is ABSENT where it is on one side alone."""

    what: str  # "num_epochs", or the tag of a modifier
    is_of_modifier: bool = False
    path: str = ""  # of a modifier's setting: "params[2]"; "" is the modifier itself
    old: Any
    new: Any
    old_place: str = ""  # "a.yaml:12"
    new_place: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a side on which there is nothing is left out."""
        sides = {"old": self.old, "new": self.new, "old_where": self.old_place, "new_where": self.new_place}
        told = {key: value for key, value in sides.items() if value is not ABSENT and value != ""}
        return {"what": self.what, "setting": self.path, **told}


def differences(old: tuple[Document, Resolved], new: tuple[Document, Resolved]) -> tuple[Difference, ...]:
    """What changes from `old` to `new`; nothing where both train the same. Comments, names of groups and order are not.

    Modifiers are compared with everything worked out, each with the most similar one of its tag on the other side.
    """
    return (*_variables(old, new), *_modifiers(old[1].entries, new[1].entries))


def _variables(old: tuple[Document, Resolved], new: tuple[Document, Resolved]) -> Iterator[Difference]:
    before, after = (_top(side) for side in (old, new))
    for name in dict.fromkeys([*before, *after]):
        was, is_now = before.get(name, (ABSENT, "")), after.get(name, (ABSENT, ""))
        if was[0] is ABSENT or is_now[0] is ABSENT or was[0] != is_now[0]:
            yield Difference(what=name, old=was[0], new=is_now[0], old_place=was[1], new_place=is_now[1])


def _top(side: tuple[Document, Resolved]) -> dict[str, tuple[Any, str]]:
    document, resolved = side
    return {
        name: (plain(value), _place(document.variables[name].positions.get("")))
        for name, value in resolved.variables.items()
        if name != "version"
    }


def _modifiers(old: Sequence[Entry], new: Sequence[Entry]) -> Iterator[Difference]:
    tags = dict.fromkeys(entry.tag for entry in (*old, *new))
    for tag in tags:
        before = [entry for entry in old if entry.tag == tag]
        after = [entry for entry in new if entry.tag == tag]
        for was, is_now in _paired(before, after):
            if was and is_now:
                yield from _settings(was, is_now)
            else:
                yield Difference(
                    what=tag,
                    is_of_modifier=True,
                    old=plain(was.fields) if was else ABSENT,
                    new=plain(is_now.fields) if is_now else ABSENT,
                    old_place=_place(was.position) if was else "",
                    new_place=_place(is_now.position) if is_now else "",
                )


def _paired(old: list[Entry], new: list[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Each with the one that it shares most with, the most alike first; the rest alone."""
    alike = [(_shared(was, is_now), -i, -j) for i, was in enumerate(old) for j, is_now in enumerate(new)]
    taken_old: dict[int, int] = {}
    for _, i, j in sorted(alike, reverse=True):
        if -i not in taken_old and -j not in taken_old.values():
            taken_old[-i] = -j
    for i, was in enumerate(old):
        yield was, new[taken_old[i]] if i in taken_old else None
    for j, is_now in enumerate(new):
        if j not in taken_old.values():
            yield None, is_now


def _shared(one: Entry, other: Entry) -> int:
    return sum(name in other.fields and other.fields[name] == value for name, value in one.fields.items())


def _settings(old: Entry, new: Entry) -> Iterator[Difference]:
    before, after = (_flat(entry) for entry in (old, new))
    for path in dict.fromkeys([*before, *after]):
        was, is_now = before.get(path, ABSENT), after.get(path, ABSENT)
        if was is ABSENT or is_now is ABSENT or was != is_now:
            yield Difference(
                what=old.tag,
                is_of_modifier=True,
                path=path,
                old=was,
                new=is_now,
                old_place=_place(old.where(path)) if was is not ABSENT else "",
                new_place=_place(new.where(path)) if is_now is not ABSENT else "",
            )


def _flat(entry: Entry) -> dict[str, Any]:
    """The settings by path, tables taken apart; a list is one value."""
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else str(key))
        else:
            found[path] = plain(value)

    walk(entry.fields, "")
    return found


def _place(position: Any) -> str:
    return f"{position.file}:{position.line}" if position else ""
