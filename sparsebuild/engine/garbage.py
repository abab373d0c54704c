"""What of the store nothing needs any more, and taking it away.

An object stays if a known project needs it (its records name it, or its pinned sources do), or if it was of use
lately, so that going back to yesterday's settings still restores yesterday's model. A trace stays while its objects do.

All of this is safe while builds work. What they use is young; an object is moved aside first and looked at again, so
that one which a build asked for in between comes back; and a build that misses an object makes it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparsebuild.engine import record as records
from sparsebuild.engine.store import Store
from sparsebuild.engine.work import delete, records_folder
from sparsebuild.errors import UserError
from sparsebuild.layout import ProjectLayout

__all__ = ["AT_WORK", "Amount", "Need", "Removed", "Survey", "collect", "survey", "weigh", "wipe"]

AT_WORK = 3600.0  # seconds; what is younger may be of a build that has not written its record yet

_OBJECT = re.compile(r"[0-9a-f]{64}")
_SHA256 = re.compile(rb"\b[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How many files, and what they weigh."""

    files: int
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Amount):
    """What went, and how many files could not go, the last of them for the reason `why`."""

    left: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one project needs of the store."""

    root: Path
    is_there: bool
    all: Amount
    alone: Amount  # the part that no other project needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is in a store, and for whom."""

    needs: tuple[Need, ...]
    lately: Amount  # needed by no project, but used lately
    unneeded: Amount
    objects: tuple[str, ...]  # sha256 of those that nothing needs
    before: float  # seconds since the epoch: what was used since then stays


def survey(
    store: Store,
    projects: Iterable[Path],
    *,
    pinned: Callable[[Path], Iterable[str]],  # the sha256 of a project's sources, which the engine cannot read
    before: float,  # seconds since the epoch
) -> Survey:
    """Look at the store for `projects`; writes nothing. Raises UserError where a project cannot be looked into."""
    try:
        objects = dict(_objects(store))
    except OSError as error:
        raise UserError(f"cannot look into the cache {store.root}: {error.strerror}") from error
    sizes = {name: stat.st_size for name, stat in objects.items()}
    asked = {root: _needed(root, pinned) for root in dict.fromkeys(projects)}
    wanted = {root: (names or frozenset()) & sizes.keys() for root, names in asked.items()}
    free = sizes.keys() - frozenset().union(*wanted.values())
    old = tuple(sorted(name for name in free if objects[name].st_mtime < before))
    return Survey(
        needs=tuple(_need(root, names is not None, wanted, sizes) for root, names in asked.items()),
        lately=_amount(free - set(old), sizes),
        unneeded=_amount(old, sizes),
        objects=old,
        before=before,
    )


def collect(store: Store, found: Survey, *, now: float) -> Removed:
    """Take away what `found` says nobody needs, and what is known of projects that are no more; how much it was."""
    removed = _discard(store, found.objects, found.before)
    for need in found.needs:
        if not need.is_there:
            store.forget_project(need.root)
    _tidy(store, now)
    return removed


def wipe(store: Store, *, now: float) -> Removed:
    """Take away every object and every trace, whoever needs them; how much it was."""
    removed = _discard(store, [name for name, _ in _objects(store)], float("inf"))
    _tidy(store, now)
    return removed


def weigh(folder: Path) -> Amount:
    """All files under `folder`; what a link leads to is not under it."""
    sizes = [Path(parent, name).lstat().st_size for parent, _, names in os.walk(folder) for name in names]
    return Amount(files=len(sizes), size=sum(sizes))


def _needed(root: Path, pinned: Callable[[Path], Iterable[str]]) -> frozenset[str] | None:
    """The sha256 of all that the project at `root` needs; None where there is no folder any more."""
    try:
        root.stat()
        return frozenset(_recorded(ProjectLayout(root))) | frozenset(pinned(root))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            f"cannot see what the project {root} needs of the cache: {error.strerror}",
            hint="nothing was removed; run this as a user who may read that project",
        ) from error


def _recorded(layout: ProjectLayout) -> Iterator[str]:
    """Every sha256 that records name, also those that a try took back which has not succeeded yet.

    That is more than the outputs, and right also for records that another version of us wrote.
    """
    for folder in (records_folder(layout), *map(Path, _entries(layout.state / "work"))):
        for entry in _entries(folder):
            if entry.name.endswith(".json") and entry.is_file(follow_symlinks=False):
                yield from map(bytes.decode, _SHA256.findall(Path(entry).read_bytes()))


def _need(root: Path, is_there: bool, wanted: Mapping[Path, frozenset[str]], sizes: Mapping[str, int]) -> Need:
    others = frozenset[str]().union(*(names for other, names in wanted.items() if other != root))
    return Need(
        root=root,
        is_there=is_there,
        all=_amount(wanted[root], sizes),
        alone=_amount(wanted[root] - others, sizes),
    )


def _amount(names: Iterable[str], sizes: Mapping[str, int]) -> Amount:
    chosen = list(names)
    return Amount(files=len(chosen), size=sum(sizes[name] for name in chosen))


# ---- the store's folders, as `store.py` draws them; nothing here follows a link


def _objects(store: Store) -> Iterator[tuple[str, os.stat_result]]:
    for folder in _entries(store.root / "objects"):
        if folder.is_dir(follow_symlinks=False):
            for entry in _entries(Path(folder)):
                if _OBJECT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    yield entry.name, entry.stat(follow_symlinks=False)


def _discard(store: Store, names: Collection[str], before: float) -> Removed:
    """Remove the objects `names`, but for those that are used in this moment and those that only another user may.

    Their folders stay: a build may be about to put something there.
    """
    sizes = {}
    left, why = 0, ""
    aside = _aside(store) if names else Path()
    for name in names:
        try:
            store.path(name).rename(aside)
            stat = aside.stat()
            if stat.st_mtime >= before:
                aside.rename(store.path(name))
            else:
                aside.unlink()
                sizes[name] = stat.st_size
        except FileNotFoundError:  # somebody else was quicker
            continue
        except OSError as error:
            left, why = left + 1, error.strerror or str(error)
    return Removed(files=len(sizes), size=sum(sizes.values()), left=left, why=why)


def _aside(store: Store) -> Path:
    try:
        return store.temporary() / os.urandom(8).hex()
    except OSError as error:
        raise UserError(f"cannot write in the cache {store.root}: {error.strerror}") from error


def _tidy(store: Store, now: float) -> None:
    """Remove traces that lack an object, and what was on its way somewhere when its process was killed."""
    for entry in _entries(store.root / "traces"):
        record = records.read(store.root / "traces", entry.name.removesuffix(".json"))
        if record and not all(store.has(file.sha256) for file in record.outputs):
            _delete(Path(entry))
    for folder in ("temporary", "traces", "projects"):
        for entry in _entries(store.root / folder):
            is_on_its_way = folder == "temporary" or entry.name.endswith(".new")
            if is_on_its_way and _last_change(Path(entry)) < now - AT_WORK:
                with _locks_of(Path(entry)) as is_free:
                    if is_free:
                        _delete(Path(entry))


@contextlib.contextmanager
def _locks_of(path: Path) -> Iterator[bool]:
    """Hold the lock files that are `path`, or in it, for the block; False where another process holds one.

    Who made a held one anew would wait for nobody, and write into the file that is downloaded under it.
    """
    with contextlib.ExitStack() as stack:
        inside = [path] if path.is_symlink() or not path.is_dir() else path.rglob("*.lock")
        yield all(_take(lock, stack) for lock in inside if lock.suffix == ".lock")


def _take(lock: Path, stack: contextlib.ExitStack) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return True
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return True
    return True


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is small, and another time will do
        delete(path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in `folder`; nothing if that is a link or not there."""
    if folder.is_symlink():
        return []
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _last_change(path: Path) -> float:
    inside = (Path(parent, name) for parent, folders, names in os.walk(path) for name in (*folders, *names))
    try:
        return max(found.lstat().st_mtime for found in (path, *inside))
    except FileNotFoundError:  # it changes in this moment
        return float("inf")
