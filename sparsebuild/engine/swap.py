"""Letting what a try left take the place of what stood in the action's folder; what somebody added there stays.

Where nobody added anything, the folder goes aside and the new one comes, by renaming. Else what was added is not moved,
so that no kill can lose it: what is ours goes, and then the new files come one by one.

Ours is what the last record names, and under the name of a new output also whatever the store has, which is not lost
when it is replaced. What else stands where a new output comes gets another name.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from sparsebuild import events
from sparsebuild.atomic import refuse_links
from sparsebuild.engine import outputs, work
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.engine.work import Work
from sparsebuild.layout import ProjectLayout

__all__ = ["swap"]


def swap(
    try_: Work,
    action: Action,
    new: Sequence[File],  # what is in `out`
    *,
    layout: ProjectLayout,
    store: Store,
    stat_cache: StatCache,
    sink: events.Sink,
) -> None:
    """Let `out` take the place of the folder of `action`.

    A kill in between leaves a folder that has no outputs or not all of them, and no record.
    """
    folder = layout.root / action.folder
    refuse_links(layout.root, folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    last = work.before(layout, action.name)
    named = {file.path for file in last.outputs} if last and last.folder == action.folder else set()
    come = {file.path for file in new}

    def is_ours(path: Path) -> bool:
        name = _name(folder, path)
        return name in named or (name in come and _is_kept(path, store, stat_cache))

    there = [] if folder.is_symlink() else [*outputs.everything(folder)]
    ours = [path for path in there if is_ours(path)]
    if len(ours) == len(there):
        _swap_folders(try_, folder)
        return
    for path in ours:
        path.unlink()
    _remove_empty(folder)
    for file in new:
        for old, now in _make_way(layout.root, folder / file.path):
            message = f"`{old}` was in the way of an output, and no build left it: it is `{now}` now"
            sink(events.Log(target=action.name, message=message, level="warning"))
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (try_.out / file.path).rename(folder / file.path)


def _swap_folders(try_: Work, folder: Path) -> None:
    work.delete(try_.aside)
    if os.path.lexists(folder):
        folder.rename(try_.aside)
    try_.out.rename(folder)


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _is_kept(path: Path, store: Store, stat_cache: StatCache) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and store.has(stat_cache.digest(path))


def _remove_empty(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            Path(parent).rmdir()


def _make_way(root: Path, file: Path) -> Iterator[tuple[str, str]]:
    """Rename what stands where `file` comes, or a folder on the way there; both names, told before it is done."""
    for place in (*reversed(file.relative_to(root).parents), file.relative_to(root)):
        path = root / place
        if os.path.lexists(path) and (path == file or not outputs.is_folder(path)):
            names = (path.with_name(f"{path.name}.~{number}~") for number in itertools.count(1))
            free = next(name for name in names if not os.path.lexists(name))
            yield _name(root, path), _name(root, free)
            path.rename(free)
