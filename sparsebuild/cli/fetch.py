"""`sparsebuild fetch`: bring all sources now, so that later runs need no network."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.locking import Frozen, Locked
from sparsebuild.cli.offline import Offline, bring, go_offline
from sparsebuild.cli.options import Json, Profile, ProjectFolder, Quiet, Settings

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.lock import LockedSource

__all__ = ["fetch"]

_AT_ONCE = 4  # sources


def fetch(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="Bring what these need, instead of everything.")
    ] = None,
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    locked: Locked = None,
    frozen: Frozen = False,
    offline: Offline = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring every source into the cache and the project, so that `run --offline` needs no network."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import graph
    from sparsebuild.cli.run import build_targets, fold_of, open_told, settle

    go_offline(offline)
    with contextlib.ExitStack() as stack:
        fold = stack.enter_context(contextlib.closing(fold_of("quiet" if quiet else "auto", "", stack)))
        opened = settle(open_told(project, profile, settings, fold), locked, frozen, fold)
        if opened.context.offline and opened.lock:
            bring(opened.lock.sources, opened.context)  # tells all that is missing at once
        chosen = [name for name in graph(opened).select(targets or ()) if name.startswith("fetch@")]
        if chosen:
            build_targets(opened, chosen, force=(), keep_going=True, wait=True, jobs=_AT_ONCE, sink=fold)
        sources = _of(chosen, opened)
        bring(sources, opened.context)  # what the cache lost of what stands in the project
    if as_json:
        facts = [{"name": s.name, "files": len(s.files), "bytes": sum(f.size for f in s.files)} for s in sources]
        write_document({"project": opened.manifest.project.name, "sources": facts})


def _of(targets: Collection[str], project: Project) -> list[LockedSource]:
    """What `targets` fetch, and the recipes, which are read when a run is planned."""
    assert project.lock is not None  # it was settled
    return [s for s in project.lock.sources if s.is_recipe or f"fetch@{s.name}" in targets]
