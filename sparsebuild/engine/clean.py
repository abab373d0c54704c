"""Removing what builds left in a project, and nothing else.

Records tell what is ours: a file that they do not name, or that is not as it was left, is somebody's work and stays.
The record of an action goes last, so that a stop in the middle leaves something to go on from.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sparsebuild import events
from sparsebuild.atomic import refuse_links
from sparsebuild.engine import outputs, work
from sparsebuild.engine import record as records
from sparsebuild.engine.blame import blamed
from sparsebuild.engine.held import held
from sparsebuild.engine.record import Record
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.errors import UserError
from sparsebuild.layout import ProjectLayout

__all__ = ["Cleaned", "clean", "known", "look"]

# Who holds the project is not for the one who cleans to say; the marks tell git and backups to stay away.
_STAYS = {"lock", "lock.holder", "worker.lock", ".gitignore", "CACHEDIR.TAG"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What goes, or went, of one action; of the project itself where `action` is empty."""

    action: str
    files: int
    size: int  # bytes
    left: tuple[str, ...] = ()  # files that are not ours, relative to the project


def look(layout: ProjectLayout, actions: Collection[str] | None, *, stat_cache: StatCache) -> tuple[Cleaned, ...]:
    """What `clean` would remove; writes nothing."""
    return tuple(plan.told for plan in _plans(layout, actions, stat_cache))


def clean(
    layout: ProjectLayout,
    actions: Collection[str] | None,  # None for all that builds ever left here
    *,
    stat_cache: StatCache,
    sink: events.Sink,
    wait: bool = True,
) -> tuple[Cleaned, ...]:
    """Remove it, holding the project; says what went and what stayed. Waits as `build` does."""
    if not layout.state.is_dir():
        return ()
    with held(layout, sink, wait=wait), blamed(layout):
        plans = tuple(_plans(layout, actions, stat_cache))
        for plan in plans:
            _remove(layout, plan)
    return tuple(plan.told for plan in plans)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    told: Cleaned
    folders: tuple[Path, ...]  # of outputs, which go if nothing is left in them
    files: tuple[Path, ...]
    trees: tuple[Path, ...]  # ours as a whole, whatever is in there


def _plans(layout: ProjectLayout, actions: Collection[str] | None, stat_cache: StatCache) -> Iterator[_Plan]:
    for name in sorted(known(layout) if actions is None else known(layout) & set(actions)):
        yield _of_action(layout, name, stat_cache)
    if actions is None:
        yield _of_project(layout)


def known(layout: ProjectLayout) -> set[str]:
    """The names of all actions that left something."""
    recorded = {path.stem for path in work.records_folder(layout).glob("*.json")}
    tried = {path.name for place in ("work", "verify") for path in (layout.state / place).glob("*")}
    return recorded | tried | {path.stem for path in (layout.state / "logs").glob("*.log")}


def _of_action(layout: ProjectLayout, name: str, stat_cache: StatCache) -> _Plan:
    record = records.read(work.records_folder(layout), name) or work.before(layout, name)
    folder = _folder(layout, record)
    ours = dict.fromkeys(_ours(folder, record, stat_cache)) if folder and record else {}
    there = outputs.everything(folder) if folder else _links(layout, record)
    left = [path for path in there if path not in ours]
    state = layout.state
    trees = (state / "work" / name, state / "verify" / name, state / "logs" / f"{name}.log")
    return _Plan(
        told=_told(layout, name, (*ours, *trees), left),
        folders=(folder,) if folder else (),
        files=tuple(ours),
        trees=(*trees, work.records_folder(layout) / f"{name}.json"),
    )


def _of_project(layout: ProjectLayout) -> _Plan:
    """What is of no action: what was remembered to be quicker. Only files right in the state folder are."""
    found = [path for path in layout.state.glob("*") if path.name not in _STAYS]
    files = tuple(path for path in found if not outputs.is_folder(path))
    folders = tuple(path for path in found if outputs.is_folder(path))
    return _Plan(told=_told(layout, "", files, ()), folders=folders, files=(), trees=files)


def _folder(layout: ProjectLayout, record: Record | None) -> Path | None:
    """Where the outputs of `record` stand; None where that cannot be said, or leads out of the project."""
    if record is None or not _is_inside(record.folder):
        return None
    folder = layout.root / record.folder
    try:
        refuse_links(layout.root, folder)
    except UserError:
        return None
    return folder


def _links(layout: ProjectLayout, record: Record | None) -> Iterator[Path]:
    """The links that stand where the outputs of `record` should, or on the way there."""
    place = layout.root / record.folder if record and _is_inside(record.folder) else layout.root
    for path in (place, *place.parents):
        if path == layout.root:
            return
        if path.is_symlink():
            yield path


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not PurePosixPath(path).is_absolute()


def _ours(folder: Path, record: Record, stat_cache: StatCache) -> Iterator[Path]:
    """The outputs that still are as they were left, and lie in the folder itself and not behind a link."""
    files = [file for file in record.outputs if _is_inside(file.path)]
    found = outputs.present(folder, files, stat_cache)
    for file in files:
        path = folder / file.path
        with contextlib.suppress(UserError):
            refuse_links(folder, path)
            if found.get(file.path) == file.sha256:
                yield path


def _told(layout: ProjectLayout, name: str, paths: Iterable[Path], left: Iterable[Path]) -> Cleaned:
    sizes = [file.lstat().st_size for path in paths for file in outputs.everything(path)]
    names = tuple(sorted(path.relative_to(layout.root).as_posix() for path in left))
    return Cleaned(action=name, files=len(sizes), size=sum(sizes), left=names)


def _remove(layout: ProjectLayout, plan: _Plan) -> None:
    for file in plan.files:
        file.unlink(missing_ok=True)
    for folder in plan.folders:
        _prune(layout.root, folder)
    for tree in plan.trees:
        refuse_links(layout.root, tree.parent)
        work.delete(tree)


def _prune(root: Path, folder: Path) -> None:
    """Remove the empty folders in `folder`, itself, and those above it that are empty now."""
    for parent, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(parent).rmdir()
    for above in folder.parents:
        if above == root:
            return
        try:
            above.rmdir()
        except OSError:  # something is left in it
            return
