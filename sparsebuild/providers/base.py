"""What a provider is: it finds out what a source is now, and brings the bytes that the lock promised.

A provider is a class without settings, one a file, named in the registry of `providers/__init__`. `resolve` may use the
network and is only asked when a request is new or is to be upgraded; `bring` puts files that the store does not have
into it. Neither runs code of the project or of a source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Protocol

from sparsebuild.encoders import TOKENIZER_FILES
from sparsebuild.errors import HashMismatch, Problem, SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.manifest.layers import Written
from sparsebuild.switches import is_on

__all__ = [
    "Context",
    "Digests",
    "NoSuchSplit",
    "Objects",
    "Provider",
    "Resolution",
    "Want",
    "OFFLINE",
    "ROWS",
    "are_rows",
    "hash_mismatch",
    "is_offline",
    "is_wanted",
    "not_here",
]

Want = Literal["model", "data", "recipe"]

OFFLINE = "SPARSEBUILD_OFFLINE"  # the variable with which a person, or `--offline`, tells all that work for a command

# What a file of rows is called, first what is taken where a dataset holds the same rows twice.
ROWS = tuple(
    f".{name}{packed}"
    for name in ("parquet", "jsonl", "json", "csv", "conll", "ndjson", "bio", "iob")
    for packed in ("", ".gz", ".zst")
)

# Of a folder; a file that is named itself needs no pattern. Weights are safetensors: a pickle can run code.
_WANTED: dict[Want, tuple[str, ...]] = {
    "model": (
        "config.json",
        "*.safetensors",
        "*.safetensors.index.json",
        "structure.json",  # of a model of ours: what is pruned and quantized
        *TOKENIZER_FILES,
    ),
    "data": (),  # rows are told by `are_rows`
    "recipe": (),
}


class NoSuchSplit(UserError):
    """The dataset has other splits than the one that was asked for."""


class Objects(Protocol):
    """The part of `engine.store.Store` that providers use."""

    def has(self, sha256: str) -> bool: ...
    def path(self, sha256: str) -> Path: ...
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


def is_offline() -> bool:
    """Whether no socket may be opened."""
    return is_on(OFFLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What providers are given to work with."""

    root: Path  # of the project; relative paths start here
    store: Objects
    digests: Digests
    temporary: Path  # a folder of ours to work in; created when needed, on the disk of the store at best
    report: Callable[[str], None] = _silent  # a sentence for a person
    progress: Callable[[float, float, str], None] = _no_progress  # done, total (0: nobody knows), unit
    offline: bool = field(default_factory=is_offline)  # no socket is opened
    trust: str = ""  # "pickle" where the manifest trusts this source to be one
    written: Written | None = None  # what was written about the project, so that an error can point at its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a request turned out to be; the facts are those of `LockedSource`."""

    resolved: str = ""
    version: str | None = None
    commit: str | None = None
    licence: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
    return are_rows(name) if want == "data" else any(fnmatchcase(name, pattern) for pattern in _WANTED[want])


def are_rows(path: str) -> bool:
    """Whether a file of this name holds rows. What is hidden, as `._x.jsonl` of a Mac is, holds none."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(ROWS) and not name.startswith(".")


def hash_mismatch(source: LockedSource, file: LockedFile, found: str, hint: str) -> HashMismatch:
    """The error for bytes that are not those of the lock."""
    message = f"`{file.path}` of `{source.name}` is not what sparse.lock promises"
    frame = f"  expected sha256 {file.sha256}\n  found    sha256 {found}"
    return HashMismatch(Problem(message=message, frame=frame, hint=hint))


def not_here(source: LockedSource, files: Iterable[LockedFile], hint: str = "") -> SourceUnavailable:
    """The error for files that only the network has, when it may not be used."""
    listed = ", ".join(f"{file.path} ({_weight(file.size)})" for file in files)
    return SourceUnavailable(
        f"`{source.name}` is not in the cache, and this run is offline: {listed}",
        hint=hint or "run once without `--offline`",
    )


def _weight(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 50_000 else f"{size_bytes:,} bytes"
