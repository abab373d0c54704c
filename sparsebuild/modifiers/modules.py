"""Which modules of a model a recipe's names and classes mean: a name stands for whole parts, and for all in it."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["lies_in", "longest", "means"]


def lies_in(name: str, module: str) -> bool:
    """Whether `name` is that of `module`, or of something in it: `layer.11` does not lie in `layer.1`."""
    return name == module or name.startswith(module + ".")


def means(entry: str, name: str, kind: str) -> bool:
    """Whether an entry of a recipe means the module `name` of the class `kind`."""
    return entry == kind or lies_in(name, entry)


def longest(entries: Iterable[str], name: str, kind: str) -> str | None:
    """Of the entries that mean a module the one that decides: the longest name, then the class."""
    listed = list(entries)
    named = [entry for entry in listed if lies_in(name, entry)]
    return max(named, key=len) if named else kind if kind in listed else None
