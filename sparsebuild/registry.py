"""Names to code, without importing any of it: a registry is a dict of "module:attribute" strings."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from itertools import islice
from typing import Any

from sparsebuild.errors import UserError

__all__ = ["did_you_mean", "load", "lookup"]

_MOST_WORDS, _LONGEST_WORD = 1000, 200  # that are compared: nobody mistypes more, and it takes time


def load(reference: str) -> Any:
    """Import what "package.module:attribute" names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def lookup(registry: Mapping[str, str], name: str, what: str) -> Any:
    """Load the entry `name`; an unknown name is a UserError that lists the ones there are."""
    if name not in registry:
        raise UserError(
            f"unknown {what} `{name}`",
            hint=did_you_mean(name, registry) or f"there are: {', '.join(sorted(registry))}",
        )
    return load(registry[name])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean `x`?` for the nearest known word, or an empty string."""
    words = [one for one in islice(known, _MOST_WORDS) if len(one) <= _LONGEST_WORD]
    if len(word) > _LONGEST_WORD:
        return ""
    same = [one for one in words if one.casefold() == word.casefold()]  # to difflib another letter
    near = same or difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
