"""The two sides of a comparison, read from where they are: a project's folder, or a commit and the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparsebuild import lock as locks
from sparsebuild import manifest as manifests
from sparsebuild.cli import git
from sparsebuild.cli.comparison import Side, recipe_of, settings_of
from sparsebuild.cli.forecast import known
from sparsebuild.cli.measured import left_here, left_in_store
from sparsebuild.cli.project import graph, open_project
from sparsebuild.engine.store import Missing, Store
from sparsebuild.errors import RecipeError, SparsebuildError, UserError
from sparsebuild.layout import LOCK_NAME, MANIFEST_NAME, cache_folder
from sparsebuild.lock import Lock
from sparsebuild.manifest import Manifest, Written
from sparsebuild.origins import Laid

if TYPE_CHECKING:
    from sparsebuild.engine.graph import Graph
    from sparsebuild.pipeline import RecipeFacts

__all__ = ["of_commit", "of_folder"]


def of_folder(folder: Path, name: str, laid: Laid) -> Side:
    """A project as its documents say now, and what was built there last, whether it is up to date or not."""
    opened = open_project(folder, profile=laid.profile, settings=laid.settings)
    settings, chosen = settings_of(opened.manifest)
    side = Side(name=name, settings=settings, chosen=chosen, places=_places(opened.written), lock=opened.lock)
    try:
        seen = known(opened)
        drawn = graph(seen)
        return replace(side, lock=seen.lock, recipe=recipe_of(drawn), left=left_here(seen, drawn))
    except SparsebuildError as error:
        return replace(side, note=_unknown(name, error))


def of_commit(commit: git.Commit, laid: Laid) -> Side:
    """The documents of a commit, and what the store knows of its build: here or in any project of this user."""
    manifest, lock = _documents(commit, laid)
    settings, chosen = settings_of(manifest)
    side = Side(name=f"{commit.name} ({commit.sha[:7]})", settings=settings, chosen=chosen, lock=lock)
    if lock is None:
        return replace(side, note=f"{commit.name} has no {LOCK_NAME}, so its build cannot be looked up")
    store = Store(cache_folder())
    try:
        drawn = _graph(commit, manifest, lock, store)
    except SparsebuildError as error:
        return replace(side, note=_unknown(commit.name, error))
    return replace(side, recipe=recipe_of(drawn), left=left_in_store(drawn, store))


def _unknown(name: str, error: SparsebuildError) -> str:
    return f"the build of {name} cannot be looked up: {error.problems[0].message}"


def _places(written: Written) -> Mapping[str, str]:
    """Where each setting stands, by its key path."""
    return {name: written.where(path) for name, path in written.paths().items()}


def _documents(commit: git.Commit, laid: Laid) -> tuple[Manifest, Lock | None]:
    """`sparse.toml` and `sparse.lock`; a lock with the marks of a merge conflict is none."""
    data = git.read(commit, MANIFEST_NAME)
    if data is None:
        raise UserError(f"{commit.name} has no {MANIFEST_NAME} in this folder", hint="name a later commit")
    text = data.decode("utf-8-sig", errors="replace")
    manifest = manifests.parse(text, f"{commit.name}:{MANIFEST_NAME}", profile=laid.profile, settings=laid.settings)
    locked = git.read(commit, LOCK_NAME)
    try:
        return manifest, locks.parse(locked.decode(errors="replace"), f"{commit.name}:{LOCK_NAME}") if locked else None
    except locks.MergeMarkers:
        return manifest, None


def _graph(commit: git.Commit, manifest: Manifest, lock: Lock, store: Store) -> Graph:
    from sparsebuild import pipeline

    found = {name: _facts(commit, manifest, name, lock, store) for name in ("", *manifest.variant)}
    return pipeline.graph(manifest, lock, found.pop(""), variants=found)


def _facts(commit: git.Commit, manifest: Manifest, variant: str, lock: Lock, store: Store) -> RecipeFacts | None:
    """What the graph needs of a recipe. Its bytes are those of the lock: from the store, or else as committed."""
    from sparsebuild import pipeline
    from sparsebuild import recipe as recipes
    from sparsebuild.resolve import recipe_source

    asked, source = manifest.of(variant).recipe, recipe_source(lock, variant)
    if asked is None or source is None:
        return None
    name, sha256 = asked.source.removeprefix("file:"), source.files[0].sha256
    try:
        data: bytes | None = store.read_bytes(sha256)
    except Missing:
        data = git.read(commit, name)
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        raise RecipeError(f"neither the cache nor git has the recipe `{name}` as it was locked")
    text = data.decode("utf-8-sig", errors="replace")
    return pipeline.recipe_facts(recipes.resolve(recipes.read(text, name), asked.args))
