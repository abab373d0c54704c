"""Whether what stands on the disk is what was recorded: every byte is read again, whatever the stat cache says.

Nothing is held meanwhile. A build that works at the same time removes a record before it touches what the record tells
of, so a difference counts only if the record is still the same after it was seen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sparsebuild import events
from sparsebuild.engine import record as records
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.blame import blamed
from sparsebuild.engine.record import Record
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Missing, Store
from sparsebuild.engine.work import records_folder
from sparsebuild.errors import Differs, Problem, UserError
from sparsebuild.layout import ProjectLayout

__all__ = ["Difference", "Verified", "refuse", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One output that is not what its record says, or its copy in the store."""

    path: str  # relative to the project
    what: Literal["changed", "missing", "a symbolic link", "damaged in the cache"]
    promised: str  # sha256
    found: str = ""  # sha256, where there is something to hash
    is_kept: bool = True  # the store has the bytes that were promised; a damaged copy there was replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found about one action."""

    action: str
    is_recorded: bool  # if not, it was never built, or is being built, and there is nothing to compare with
    files: int = 0
    size: int = 0  # bytes that were promised
    differences: tuple[Difference, ...] = ()


def verify(
    actions: Iterable[Action], *, layout: ProjectLayout, store: Store, stat_cache: StatCache, sink: events.Sink
) -> tuple[Verified, ...]:
    """Hash the outputs of `actions`. What is learned goes into `stat_cache`, so that the next build knows of it too.

    Copies in the store are looked at only as far as that is cheap; a damaged one is replaced by the good output.
    """
    with blamed(layout, store.root):
        found = tuple(_told(action, layout, store, stat_cache, sink) for action in actions)
    with contextlib.suppress(OSError):  # on a disk that may not be written, too, one wants to know
        stat_cache.save()
    return found


def refuse(found: Sequence[Verified]) -> None:
    """Raise Differs if there is a difference, with one problem for each."""
    problems = [_problem(verified.action, d) for verified in found for d in verified.differences]
    if problems:
        raise Differs(*problems)


def _told(action: Action, layout: ProjectLayout, store: Store, stat_cache: StatCache, sink: events.Sink) -> Verified:
    sink(events.TargetStarted(target=action.name))
    outcome: events.Outcome = "interrupted"
    try:
        verified = _verify(action, layout, store, stat_cache, sink)
        outcome = "failed" if verified.differences else "fresh"
        return verified
    finally:
        sink(events.TargetFinished(target=action.name, outcome=outcome))


def _verify(action: Action, layout: ProjectLayout, store: Store, stat_cache: StatCache, sink: events.Sink) -> Verified:
    while record := records.read(records_folder(layout), action.name):
        size = sum(file.size for file in record.outputs)
        differences = []
        done = 0
        for file in record.outputs:
            difference = _difference(layout.root, action.folder, file, store, stat_cache)
            differences += [difference] if difference else []
            done += file.size
            sink(events.Progress(target=action.name, done=done, total=size, unit="bytes"))
        if not differences or _is_still(record, action, layout):
            return Verified(
                action=action.name,
                is_recorded=True,
                files=len(record.outputs),
                size=size,
                differences=tuple(differences),
            )
    return Verified(action=action.name, is_recorded=False)


def _is_still(record: Record, action: Action, layout: ProjectLayout) -> bool:
    return records.read(records_folder(layout), action.name) == record


def _difference(root: Path, folder: str, file: File, store: Store, stat_cache: StatCache) -> Difference | None:
    path = root / folder / file.path
    name = f"{folder}/{file.path}"
    if path.is_symlink():
        return Difference(path=name, what="a symbolic link", promised=file.sha256, is_kept=_is_kept(store, file))
    try:
        found = stat_cache.digest_anew(path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return Difference(path=name, what="missing", promised=file.sha256, is_kept=_is_kept(store, file))
    if found != file.sha256:
        kept = _is_kept(store, file)
        return Difference(path=name, what="changed", promised=file.sha256, found=found, is_kept=kept)
    if _is_cut_short(store, file):
        mended = _mend(store, path, file)
        return Difference(path=name, what="damaged in the cache", promised=file.sha256, is_kept=mended)
    return None


def _is_kept(store: Store, file: File) -> bool:
    """Whether the store can restore `file`; an object that rotted is removed by being looked at."""
    try:
        store.check(file.sha256)
    except (Missing, OSError):
        return False
    return True


def _is_cut_short(store: Store, file: File) -> bool:
    # Of the damage that happens to objects, this much can be seen without reading them.
    return store.has(file.sha256) and not store.has(file.sha256, file.size)


def _mend(store: Store, good: Path, file: File) -> bool:
    try:
        return store.put(good) == file.sha256
    except (OSError, UserError):  # a cache that may not be written, or no room
        return False


def _problem(action: str, difference: Difference) -> Problem:
    path, again = difference.path, f"`sparsebuild run {action}`"
    if difference.what == "damaged in the cache":
        hint = "it was replaced by the good one" if difference.is_kept else "remove it, and have the disk checked"
        return Problem(message=f"the copy of `{path}` in the cache is damaged; the file itself is good", hint=hint)
    remedy = "brings it back from the cache" if difference.is_kept else "builds it again; the cache does not have it"
    message = {
        "changed": f"`{path}` is not what `{action}` left",
        "missing": f"`{path}`, which `{action}` left, is not there",
        "a symbolic link": f"`{path}` is a symbolic link, and `{action}` left a file",
    }[difference.what]
    frame = f"  recorded sha256 {difference.promised}\n  found    sha256 {difference.found}" if difference.found else ""
    return Problem(message=message, frame=frame, hint=f"{again} {remedy}")
