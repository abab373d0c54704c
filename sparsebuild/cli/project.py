"""A project opened: its documents read, its lock held against the manifest, and the graph that follows from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild import __version__
from sparsebuild import lock as locks
from sparsebuild import manifest as manifests
from sparsebuild.digest import canonical_json, text_digest
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
    from sparsebuild.manifest import Recipe
    from sparsebuild.pipeline import RecipeFacts
    from sparsebuild.recipe import Resolved

__all__ = ["Project", "answered", "changes", "graph", "lock_again", "open_project", "out_of_date", "remember_documents"]

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

    assert project.lock is not None  # commands lock first
    asked = project.manifest.recipe
    facts = _facts(project, asked) if asked else None
    return pipeline.graph(project.manifest, project.lock, facts, project.text)


def remember_documents(project: Project) -> None:
    """Keep what was read of the manifest and the recipe, so that the next command need not read the same text again."""
    _remember(project.layout, "manifest", project.text, lambda: manifests.to_json(project.manifest))
    if asked := project.manifest.recipe:
        _remember(project.layout, "recipe", _identity(project, asked), lambda: asdict(_facts(project, asked)))


def _facts(project: Project, asked: Recipe) -> RecipeFacts:
    """What the graph needs of the recipe: as it was kept, or read anew."""
    from sparsebuild.pipeline import RecipeFacts, recipe_facts

    known = _recalled(project.layout, "recipe", _identity(project, asked))
    if known and known["recipe"].keys() == {field.name for field in fields(RecipeFacts)}:
        return RecipeFacts(**known["recipe"])
    return recipe_facts(_resolved(project, asked))


def _resolved(project: Project, asked: Recipe) -> Resolved:
    from sparsebuild import recipe as recipes
    from sparsebuild.resolve import recipe_text

    assert project.lock is not None
    document = recipes.read(recipe_text(project.lock, project.context) or "", asked.source.removeprefix("file:"))
    return recipes.resolve(document, asked.args)


def _identity(project: Project, asked: Recipe) -> str:
    """What a recipe's text and its arguments make it, as text."""
    source = project.lock.source("recipe") if project.lock else None
    return canonical_json([source.files[0].sha256 if source else "", asked.args])


def _remembered(layout: ProjectLayout, text: str) -> Manifest | None:
    known = _recalled(layout, "manifest", text)
    return manifests.from_json(known["manifest"]) if known else None


def _remember(layout: ProjectLayout, name: str, text: str, make: Callable[[], Mapping[str, Any]]) -> None:
    """Keep what `make` gives under `name`; it is only asked when it is not there yet."""
    if _recalled(layout, name, text) is None:
        mark_as_cache(layout.state)
        write_bytes(_memory(layout, name), json.dumps({**_key(text), name: make()}).encode())


def _recalled(layout: ProjectLayout, name: str, text: str) -> Mapping[str, Any] | None:
    """What was kept under `name` for this text; None where it is not there, or not as we write it."""
    try:
        data = json.loads(_memory(layout, name).read_bytes())
        known = {key: data[key] for key in _key(text)} == _key(text)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return data if known and name in data else None


def _key(text: str) -> dict[str, str]:
    return {"sparsebuild": __version__, "sha256": text_digest(text)}


def _memory(layout: ProjectLayout, name: str) -> Path:
    return layout.state / f"{name}.json"


def _lock(path: Path) -> Lock | None:
    try:
        return locks.read(path)
    except MergeMarkers:
        return None
