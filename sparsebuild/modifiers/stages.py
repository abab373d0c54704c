"""The stages of a recipe on the time line: from when to when each acts, and which of them act at once.

As SparseML reads them, the epochs of a stage are those of the whole training: whoever puts two recipes together as
stages shifts the second by the length of the first. Nothing is shifted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sparsebuild.modifiers.base import Modifier
from sparsebuild.modifiers.span import begin, until
from sparsebuild.recipe import Entry

__all__ = ["Stretch", "overlapping", "stretches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One stage: its first and its last epoch, and its modifiers."""

    name: str
    start: float
    end: float
    modifiers: tuple[str, ...]


def stretches(pairs: Sequence[tuple[Entry, Modifier]], epochs: float) -> tuple[Stretch, ...]:
    """The stages that have modifiers, in the order in which they run: by their last epoch, then by their first.

    A modifier without an end says nothing of its stage's.
    """
    found = [_stretch(name, pairs, epochs) for name in dict.fromkeys(e.stage for e, _ in pairs if e.stage)]
    return tuple(sorted(found, key=lambda stage: (stage.end, stage.start, stage.name)))


def overlapping(found: Sequence[Stretch]) -> tuple[tuple[str, str], ...]:
    """Neighbours of which the later one begins before the earlier one ends."""
    return tuple((one.name, later.name) for one, later in pairwise(found) if later.start < one.end)


def _stretch(name: str, pairs: Sequence[tuple[Entry, Modifier]], epochs: float) -> Stretch:
    specs = [spec for entry, spec in pairs if entry.stage == name]
    ends = [until(spec, epochs) for spec in specs if spec.end_epoch >= 0]
    return Stretch(
        name=name,
        start=min(begin(spec) for spec in specs),
        end=max(ends, default=epochs),
        modifiers=tuple(sorted(spec.tag for spec in specs)),
    )
