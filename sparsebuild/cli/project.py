"""A project opened: its documents read, its lock held against the manifest, and the graph that follows from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparsebuild import __version__
from sparsebuild import lock as locks
from sparsebuild import manifest as manifests
from sparsebuild.digest import text_digest
from sparsebuild.engine.atomic import write_bytes
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import LockOutOfDate, Problem, SourceUnavailable
from sparsebuild.layout import LOCK_NAME, MANIFEST_NAME, ProjectLayout, cache_folder, mark_as_cache
from sparsebuild.lock import Difference, Lock, MergeMarkers
from sparsebuild.manifest import Manifest
from sparsebuild.providers import Context

if TYPE_CHECKING:
    from sparsebuild.engine.graph import Graph

__all__ = ["Project", "answered", "changes", "graph", "lock_again", "open_project", "out_of_date", "remember_manifest"]

_Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a command knows of a project."""

    layout: ProjectLayout
    manifest: Manifest
    text: str  # of sparse.toml
    lock: Lock | None
    context: Context  # for providers
    store: Store
    stat_cache: StatCache


def open_project(folder: Path, say: _Say | None = None) -> Project:
    """Read `sparse.toml` and `sparse.lock`; a lock with the marks of a merge conflict is none. Writes nothing."""
    layout = ProjectLayout(folder.resolve())
    text = manifests.read_text(folder / MANIFEST_NAME)
    store, stat_cache = Store(cache_folder()), StatCache(layout.state / "stats.json")
    context = Context(root=layout.root, store=store, digests=stat_cache, temporary=cache_folder() / "temporary")
    return Project(
        layout=layout,
        manifest=_remembered(layout, text) or manifests.parse(text, str(folder / MANIFEST_NAME)),
        text=text,
        lock=_lock(layout.lock),
        context=replace(context, report=say) if say else context,
        store=store,
        stat_cache=stat_cache,
    )


def changes(project: Project) -> tuple[Difference, ...]:
    """What `sparse.lock` lacks of what `sparse.toml` asks and the local files are. Uses no network."""
    from sparsebuild.resolve import is_current

    return is_current(project.manifest, project.lock, project.context)


def lock_again(project: Project, upgrade: Collection[str] = ()) -> Project:
    """Decide anew what changed or is to be upgraded, and write `sparse.lock`.

    A recipe that could not be run is refused here, before anything is written or fetched for it.
    """
    from sparsebuild.resolve import resolve

    lock = resolve(project.manifest, project.lock, project.context, upgrade)
    locked = replace(project, lock=lock)
    graph(locked)
    locks.write(project.layout.lock, lock)
    return locked


def answered(project: Project) -> Project | None:
    """The project with the lock that a run would use, as far as that is known here: nothing is asked of a network.

    None when there is no lock and none can be made.
    """
    if not changes(project):
        return project
    from sparsebuild.resolve import resolve

    try:
        lock = resolve(project.manifest, project.lock, replace(project.context, offline=True))
    except SourceUnavailable:
        return project if project.lock else None
    return replace(project, lock=lock)


def out_of_date(differences: Collection[Difference], lock: Lock | None) -> LockOutOfDate:
    """The error that says what would change."""
    message = f"`{LOCK_NAME}` does not answer `{MANIFEST_NAME}`" if lock else f"there is no `{LOCK_NAME}`"
    frame = "\n".join(f"  {difference}" for difference in differences) if lock else ""
    return LockOutOfDate(Problem(message=message, frame=frame, hint="run `sparsebuild lock` and commit what it writes"))


def graph(project: Project) -> Graph:
    """The targets of the project."""
    from sparsebuild import pipeline
    from sparsebuild import recipe as recipes
    from sparsebuild.resolve import recipe_text

    assert project.lock is not None  # commands lock first
    asked, text = project.manifest.recipe, recipe_text(project.lock, project.context)
    resolved = None
    if asked is not None and text is not None:
        resolved = recipes.resolve(recipes.read(text, asked.source.removeprefix("file:")), asked.args)
    return pipeline.graph(project.manifest, project.lock, resolved, project.text)


def remember_manifest(project: Project) -> None:
    """Keep the checked manifest, so that the next command need not check the same text again."""
    if _remembered(project.layout, project.text) is None:
        mark_as_cache(project.layout.state)
        data = {**_key(project.text), "manifest": manifests.to_json(project.manifest)}
        write_bytes(_memory(project.layout), json.dumps(data).encode())


def _remembered(layout: ProjectLayout, text: str) -> Manifest | None:
    try:
        data = json.loads(_memory(layout).read_bytes())
        if {key: data[key] for key in _key(text)} == _key(text):
            return manifests.from_json(data["manifest"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or not as we write it: the text is read again
    return None


def _key(text: str) -> dict[str, str]:
    return {"sparsebuild": __version__, "sha256": text_digest(text)}


def _memory(layout: ProjectLayout) -> Path:
    return layout.state / "manifest.json"


def _lock(path: Path) -> Lock | None:
    try:
        return locks.read(path)
    except MergeMarkers:
        return None
