"""One thing to build: what is done, with which settings, from what, and where the result stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

__all__ = ["JSON", "Action", "File", "Input", "Place", "Source"]

JSON: TypeAlias = Any  # null, bool, number, text, list or dict with text keys
Place = Literal["inline", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file by what it holds."""

    path: str  # relative to the folder it belongs to, with "/"
    size: int  # bytes
    sha256: str


Source: TypeAlias = tuple[File, ...] | str  # pinned bytes: the files themselves, or one digest of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What an action reads of another one's outputs: a folder, a file, or all. Only what is read counts."""

    name: str  # how the step calls it
    action: str
    path: str = ""  # relative to the outputs of `action`; empty for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A step with all that it depends on. What counts as a change stands at the head of `fingerprint.py`."""

    name: str  # "train", "fetch@data.train", "train@NAME"
    step: str
    folder: str  # where the outputs stand, relative to the project: "build/train"
    version: int = 1  # of the step's meaning
    params: Mapping[str, JSON] = field(default_factory=dict)
    beside: Mapping[str, JSON] = field(default_factory=dict)  # more of them, none of which changes what comes out
    inputs: tuple[Input, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)  # name to "major.minor"
    origins: Mapping[str, str] = field(default_factory=dict)  # where a param, or "sources.x", is said: for people
    defaults: Mapping[str, JSON] = field(default_factory=dict)  # what a param is when it is left out, for people
    where: Place = "worker"
    resource: str = ""  # at most one action at a time works with it ("device"); empty: it needs none
    exact: bool = True  # the same question gives the same bytes; if not, numbers within a tolerance
    on_demand: bool = False  # built where it is named, or needed; not where everything is asked for

    @property
    def told(self) -> Mapping[str, JSON]:
        """All that the step is told: what counts, and what does not."""
        return {**self.params, **self.beside}

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"an action cannot be called {self.name!r}")
        folder = PurePosixPath(self.folder)
        if folder.is_absolute() or ".." in folder.parts or not folder.parts:
            raise ValueError(f"the folder of {self.name} must be inside the project, found {self.folder!r}")
        names = [i.name for i in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name} has two inputs of one name: {names}")


# No "/" (names become file names), no "+", "*" or "?" (they mean something where targets are chosen), no brackets.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
