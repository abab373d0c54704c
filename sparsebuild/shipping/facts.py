"""What a card and a statement of provenance are made of, beside what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Facts", "Origin", "hub_name"]

_HUB_NAME = re.compile(r"hf:([\w.-]+/[\w.-]+|[\w.-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A source, as the lock pins it."""

    name: str  # "model", "teacher.train", "data.validation", "recipe"
    request: str
    resolved: str = ""
    commit: str = ""
    licence: str = ""
    files: Mapping[str, str] = field(default_factory=dict)  # path -> sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the documents of a project say, as it counts for what travels; plain, so that it can be a step's setting."""

    project: str
    task: str
    version: str  # of sparsebuild
    lock: str  # sha256 of the lock's text, without the recipes of other variants
    base: str  # name of the source that everything started from
    settings: Mapping[str, Any]  # of sparse.toml, without defaults
    recipe: Any  # its modifiers, every expression worked out; None without
    libraries: Mapping[str, Mapping[str, str]]  # step -> library -> major.minor
    sources: Sequence[Origin]
    variant: str = ""  # of the project; left out of a step's settings where it is none

    @property
    def title(self) -> str:
        """What this model is called: a variant goes by the project's name and its own."""
        return f"{self.project}@{self.variant}" if self.variant else self.project

    @property
    def command(self) -> str:
        """What builds it again."""
        return "sparsebuild run --locked gate" + (f"@{self.variant}" if self.variant else "")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Facts:
        """The facts that `dataclasses.asdict` was taken of."""
        return cls(**{**data, "sources": tuple(Origin(**source) for source in data["sources"])})

    def source(self, name: str) -> Origin | None:
        return next((source for source in self.sources if source.name == name), None)

    @property
    def base_model(self) -> Origin | None:
        return self.source(self.base)

    @property
    def data(self) -> tuple[Origin, ...]:
        """Where rows come from, by split."""
        return tuple(source for source in self.sources if source.name.startswith("data."))


def hub_name(origin: Origin) -> str:
    """The repository of the Hub that a source is, or nothing."""
    match = _HUB_NAME.match(origin.resolved or origin.request)
    return match[1] if match else ""
