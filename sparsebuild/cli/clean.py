"""`sparsebuild clean`: remove what builds left in the project."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.options import Json, ProjectFolder

if TYPE_CHECKING:
    from sparsebuild.engine.clean import Cleaned

__all__ = ["clean"]


def clean(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="Of these only, not of what they need; `train+` also what needs it."),
    ] = None,
    project: ProjectFolder = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would go; remove nothing.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Exit with 6 if another run is at work.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what builds left here, and nothing else; a run brings what was finished back from the cache."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.engine import clean as engine
    from sparsebuild.engine.stat_cache import StatCache
    from sparsebuild.layout import MANIFEST_NAME, ProjectLayout
    from sparsebuild.manifest import read_text
    from sparsebuild.ui import choose
    from sparsebuild.ui import clean as shown

    layout = ProjectLayout(project.resolve())
    read_text(project / MANIFEST_NAME)  # or this is no project, and nothing here is ours
    names = _named(project, targets, engine.known(layout)) if targets else None
    stat_cache = StatCache(layout.stats)
    found: Sequence[Cleaned]
    if dry_run:
        found = engine.look(layout, names, stat_cache=stat_cache)
    else:
        with contextlib.closing(choose(sys.stderr)) as fold:
            found = engine.clean(layout, names, stat_cache=stat_cache, sink=fold, wait=not no_wait)
    if as_json:
        write_document({"is_removed": not dry_run, "targets": [_document(cleaned) for cleaned in found]})
    else:
        shown.show(found, dry_run, sys.stdout)


def _named(project: Path, targets: Collection[str], left: Collection[str]) -> set[str]:
    """What `targets` name: of what builds left, also where no target is called so any more; else of the graph."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.project import graph, open_project

    if left and set(left).issuperset(targets):
        return set(targets)
    whole = graph(known(open_project(project)))
    chosen = {name for target in targets for name in whole.named(target.removesuffix("+"))}
    spreading = {name for target in targets if target.endswith("+") for name in whole.named(target.removesuffix("+"))}
    for name in whole.names:  # each comes after what it needs
        if spreading.intersection(whole.needs(name)):
            spreading.add(name)
    return chosen | spreading


def _document(cleaned: Cleaned) -> dict[str, object]:
    return {
        "name": cleaned.action,
        "files": cleaned.files,
        "bytes": cleaned.size,
        "left": list(cleaned.left),
    }
