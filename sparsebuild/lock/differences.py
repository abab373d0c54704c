"""What changed from one lock to another, one line each: old -> new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sparsebuild.lock.document import Lock, LockedFile, LockedSource

__all__ = ["Change", "Difference", "differences"]

Change = Literal[
    "source added",
    "source removed",
    "kind",
    "request",
    "resolved",
    "trust",
    "version",
    "commit",
    "licence",
    "labels",
    "unknown keys",
    "file added",
    "file removed",
    "file",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not what it was; `old` or `new` is empty where there was or is nothing."""

    source: str
    change: Change
    path: str = ""  # of a file
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        return _line(f"{self.source}: {self._changed()}")

    def _changed(self) -> str:
        match self.change:
            case "source added":
                return f"added, {self.new}"
            case "source removed":
                return f"removed, {self.old}"
            case "file added":
                return f"file {self.path} added, {self.new}"
            case "file removed":
                return f"file {self.path} removed, {self.old}"
            case "file":
                return f"file {self.path} {self.old} -> {self.new}"
            case _:
                return f"{self.change} {self.old or 'none'} -> {self.new or 'none'}"


def differences(old: Lock | None, new: Lock | None) -> tuple[Difference, ...]:
    """Everything that changed, by source and then by path; no lock is a lock without sources."""
    before = {source.name: source for source in old.sources} if old else {}
    after = {source.name: source for source in new.sources} if new else {}
    return tuple(d for name in sorted({*before, *after}) for d in _of_source(before.get(name), after.get(name)))


def _of_source(old: LockedSource | None, new: LockedSource | None) -> Iterator[Difference]:
    if old is None or new is None:
        if new:
            yield Difference(source=new.name, change="source added", new=_line(new.request))
        if old:
            yield Difference(source=old.name, change="source removed", old=_line(old.request))
        return
    facts: tuple[tuple[Change, str | None, str | None], ...] = (
        ("kind", old.kind, new.kind),
        ("request", _line(old.request), _line(new.request)),
        ("resolved", old.resolved, new.resolved),
        ("trust", old.trust, new.trust),
        ("version", old.version, new.version),
        ("commit", old.commit, new.commit),
        ("licence", old.licence, new.licence),
        ("labels", _labels(old), _labels(new)),
        ("unknown keys", _extra(old), _extra(new)),
    )
    for change, before, after in facts:
        if before != after:
            yield Difference(source=new.name, change=change, old=before or "", new=after or "")
    yield from _of_files(new.name, {f.path: f for f in old.files}, {f.path: f for f in new.files})


def _of_files(source: str, old: dict[str, LockedFile], new: dict[str, LockedFile]) -> Iterator[Difference]:
    for path in sorted({*old, *new}):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        change: Change = "file added" if not before else "file removed" if not after else "file"
        yield Difference(source=source, change=change, path=path, old=_bytes(before), new=_bytes(after))


def _bytes(file: LockedFile | None) -> str:
    return f"sha256 {file.sha256[:12]} ({file.size} bytes){_extra(file)}" if file else ""


def _extra(item: LockedSource | LockedFile) -> str:
    return "".join(f" {key} = {value}" for key, value in item.extra)


def _labels(source: LockedSource) -> str:
    return "; ".join(f"{column!r}: {', '.join(map(repr, names))}" for column, names in sorted(source.labels.items()))


def _line(request: str) -> str:
    return request.replace("\n", ", ")
