"""What a provider is: it finds out what a source is now, and brings the bytes that the lock promised.

A provider is a class without settings, one a file, named in the registry of `providers/__init__`. `resolve` may use the
network and is only asked when a request is new or is to be upgraded; `bring` puts files that the store does not have
into it. Neither runs code of the project or of a source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Protocol

from sparsebuild.errors import HashMismatch, Problem
from sparsebuild.lock import LockedFile, LockedSource

__all__ = [
    "Context",
    "Digests",
    "Objects",
    "Provider",
    "Resolution",
    "Want",
    "hash_mismatch",
    "is_wanted",
    "missing_from_model",
]

Want = Literal["model", "data", "recipe"]

# Of a folder; a file that is named itself needs no pattern. Weights are safetensors: a pickle can run code.
_WANTED: dict[Want, tuple[str, ...]] = {
    "model": (
        "config.json",
        "*.safetensors",
        "*.safetensors.index.json",
        "structure.json",  # of a model of ours: what is pruned and quantized
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "added_tokens.json",
    ),
    "data": ("*.jsonl", "*.json", "*.csv"),
    "recipe": (),
}


class Objects(Protocol):
    """The part of `engine.store.Store` that providers use."""

    def has(self, sha256: str) -> bool: ...
    def put(self, file: Path) -> str: ...
    def copy_to(self, sha256: str, destination: Path) -> None: ...
    def read_bytes(self, sha256: str) -> bytes: ...


class Digests(Protocol):
    """The part of `engine.stat_cache.StatCache` that providers use."""

    def digest(self, file: Path) -> str: ...


def _silent(sentence: str) -> None:
    """Tell nobody."""


def _no_progress(done: float, total: float, unit: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What providers are given to work with."""

    root: Path  # of the project; relative paths start here
    store: Objects
    digests: Digests
    temporary: Path  # a folder of ours to work in; created when needed, on the disk of the store at best
    report: Callable[[str], None] = _silent  # a sentence for a person
    progress: Callable[[float, float, str], None] = _no_progress  # done, total, unit
    offline: bool = False  # no socket is opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a request turned out to be."""

    version: str | None = None
    commit: str | None = None
    files: tuple[LockedFile, ...]


class Provider(Protocol):
    """One kind of source."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        """What `request` is now. Raises SourceUnavailable when it cannot be had, UserError when it makes no sense."""
        ...

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        """Put `files` of `source` into the store. Raises SourceUnavailable, and HashMismatch for other bytes."""
        ...


def is_wanted(name: str, want: Want) -> bool:
    """Whether a file of this name, right in a source's folder, is needed."""
    return any(fnmatchcase(name, pattern) for pattern in _WANTED[want])


def missing_from_model(names: Iterable[str]) -> str:
    """What a folder of these files lacks to be a model, as the end of a sentence; empty when it lacks nothing."""
    known = list(names)
    if "config.json" not in known:
        return "holds no config.json, so it is not a model"
    if not any(name.endswith(".safetensors") for name in known):
        return "holds no .safetensors weights; other formats are not read, since a pickle can run code"
    return ""


def hash_mismatch(source: LockedSource, file: LockedFile, found: str, hint: str) -> HashMismatch:
    """The error for bytes that are not those of the lock."""
    message = f"`{file.path}` of `{source.name}` is not what sparse.lock promises"
    frame = f"  expected sha256 {file.sha256}\n  found    sha256 {found}"
    return HashMismatch(Problem(message=message, frame=frame, hint=hint))
