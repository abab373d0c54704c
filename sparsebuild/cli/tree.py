"""`sparsebuild tree`: what the build is made from."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings
from sparsebuild.resolve import recipe_source

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.engine.graph import Graph
    from sparsebuild.lock import Lock, LockedSource
    from sparsebuild.ui.tree import Source

__all__ = ["tree"]


def tree(
    project: ProjectFolder = Path(), profile: Profile = "", settings: Settings = None, as_json: Json = False
) -> None:
    """Show every source: what was asked for, what was pinned, its files and sizes, and what uses it."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import changes, graph, open_project
    from sparsebuild.ui.tree import Source, show

    opened = open_project(project, profile=profile, settings=settings or ())
    seen = known(opened)
    assert seen.lock is not None  # `known` sees to it
    drawn = graph(seen)
    sources = [
        Source(locked=locked, used_by=_uses(locked, seen.lock, drawn), absent=_absent(locked, seen))
        for locked in seen.lock.sources
    ]
    if changes(opened):
        sys.stderr.write("sparse.lock is out of date; this is what is known before `sparsebuild lock`\n")
    if as_json:
        write_document({"project": seen.manifest.project.name, "sources": [_document(source) for source in sources]})
    else:
        show(sources, sys.stdout)


def _uses(source: LockedSource, lock: Lock, graph: Graph) -> tuple[str, ...]:
    """The targets that read a source. Nothing fetches a recipe, a setting of what trains, nor a split without files."""
    if not source.is_recipe:
        return graph.users(f"fetch@{source.name}") if source.files else ()
    readers = (action.name for action in graph if "recipe" in action.params)
    return tuple(name for name in readers if recipe_source(lock, name.partition("@")[2]) == source)


def _absent(source: LockedSource, project: Project) -> int:
    """Bytes that would have to be downloaded: of what is on this machine anyway, none."""
    from sparsebuild.providers import LOCAL, scheme_of

    if scheme_of(source.request) in LOCAL:
        return 0
    return sum(file.size for file in source.files if not project.store.has(file.sha256))


def _document(source: Source) -> dict[str, Any]:
    locked = source.locked
    facts = {"bytes": source.size, "bytes_to_download": source.absent, "used_by": list(source.used_by)}
    return {**asdict(locked), **facts}
