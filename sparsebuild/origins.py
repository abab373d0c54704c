"""Where a target's settings were written, for `why`: in sparse.toml, on the command line, in the recipe, in the lock.

Nothing is looked up before a reason is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from sparsebuild.layout import LOCK_NAME
from sparsebuild.lock import Lock, line_of
from sparsebuild.manifest.layers import Written, setting
from sparsebuild.manifest.locate import KeyPath

if TYPE_CHECKING:
    from sparsebuild.recipe import Places

__all__ = ["Documents", "Laid", "Origins"]

_TABLES = ("data", "export", "gate", "train", "project")
_SOURCE = re.compile(r'names\."([^"]+)"(.*)')  # what `prepare` calls its sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What had been laid over the file when a target was built."""

    profile: str = ""
    settings: Sequence[str] = ()  # `--set`s, as they were typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """All that a project says, as it was written."""

    written: Written = field(default_factory=Written)
    recipe: Places = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    lock_file: str = LOCK_NAME  # where the lock stands
    before: Callable[[str], Laid] = lambda target: Laid()  # as it was when the target was built


class Origins(Mapping[str, str]):
    """The places of one target's settings (`learning_rate`, `recipe.modifiers.…`) and sources (`sources.data.train`).

    A setting of the target stands in `under`, the target's own table, or in one that others share; what its variant
    says of it goes before.
    """

    def __init__(self, documents: Documents, target: str, under: str, variant: str = "") -> None:
        self._documents, self._target, self._under = documents, target, under
        self._variant = variant

    def __getitem__(self, path: str) -> str:
        path = path.removeprefix("facts.").removeprefix("settings.")  # told with a build as they stand in their tables
        if path.startswith("sources."):
            where = self._in_lock(path.removeprefix("sources."))
        elif path == "hidden_states" or path.partition(".")[0] == "recipe":
            where = self._in_recipe(path.partition(".")[2])
        else:
            where = self._told(self._candidates(path))
        if not where:
            raise KeyError(path)
        return where

    def __iter__(self) -> Iterator[str]:
        yield from self._documents.written.paths()
        yield from (f"recipe.{path}" for path in self._documents.recipe if path)
        yield from (f"sources.{source.name}" for source in self._documents.lock.sources)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _candidates(self, path: str) -> list[str]:
        if source := _SOURCE.fullmatch(path):
            return [source[1] + source[2]]
        leaf = path.partition(".")[2] if path.startswith("gates.") else path
        return self._laid([path, *(f"{table}.{leaf}" for table in (self._under, *_TABLES))])

    def _laid(self, paths: Sequence[str]) -> list[str]:
        """The paths, and before them those in the table of the variant."""
        own = [f"variant.{self._variant}.{path}" for path in paths] if self._variant else []
        return [*own, *paths]

    def _told(self, candidates: Sequence[str]) -> str:
        """Where the first of them that is written stands, and what was laid over it when the target was built."""
        known = _paths(self._documents.written)
        now = next((self._documents.written.where(known[key]) for key in candidates if key in known), "")
        was = next((was for key in candidates if (was := self._was(key))), "")
        return ", ".join(part for part in (now, f"was {was}" if was and was != now else "") if part)

    def _was(self, key: str) -> str:
        laid = self._documents.before(self._target)
        then = Written(profile=laid.profile, settings=tuple(map(setting, laid.settings)))
        if key in (paths := _paths(then)):
            return then.where(paths[key])
        in_profile = Written(text=self._documents.written.text, profile=laid.profile).profile_paths()
        return f"in [profile.{laid.profile}]" if key in in_profile and laid.profile != self._profile else ""

    @property
    def _profile(self) -> str:
        return self._documents.written.profile

    def _in_recipe(self, path: str) -> str:
        """The line of the setting, and of the variables or arguments that it is worked out from."""
        found = self._documents.recipe.get(path, {})
        told = [found.get("", "")]
        for name, place in found.items():
            given = self._told(self._laid([f"recipe.args.{name}"])) if name else ""
            where = ", ".join(part for part in (place, given) if part)
            told += [f"`{name}` in {where}"] if name and where else []
        return ", ".join(part for part in told if part)

    def _in_lock(self, source: str) -> str:
        """The line of a source, or of its file: `data.train`, `data.train/train.jsonl`."""
        name, _, path = source.partition("/")
        line = line_of(self._documents.lock, name, path)
        return f"{self._documents.lock_file}:{line}" if line else ""


@lru_cache(maxsize=8)
def _paths(written: Written) -> Mapping[str, KeyPath]:
    return written.paths()
