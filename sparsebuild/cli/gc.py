"""`sparsebuild gc`: what the cache holds that no project needs."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Json, ProjectFolder
from sparsebuild.cli.telling import tell_of_what_is_left
from sparsebuild.errors import UserError

if TYPE_CHECKING:
    from sparsebuild.engine.garbage import Removed, Survey

__all__ = ["gc"]

_SHA256 = re.compile(rb"\b[0-9a-f]{64}\b")
_AGE = re.compile(r"(\d+)([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def gc(
    project: ProjectFolder = Path(),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it; without this, it is only told.")] = False,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="What was used since then stays, so that going back restores it: 12h, 30d, 8w, or 0.",
        ),
    ] = "30d",
    as_json: Json = False,
) -> None:
    """Find what the cache holds that no project needs, and with --yes remove it."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.engine import garbage
    from sparsebuild.engine.store import Store
    from sparsebuild.layout import cache_folder
    from sparsebuild.ui import gc as shown

    store, now = Store(cache_folder()), time.time()
    # Whatever is said, what is younger than this may belong to a build that is at work.
    before = now - max(_seconds(older_than), garbage.AT_WORK)
    found = garbage.survey(store, [*store.projects(), *_here(project)], pinned=_pinned, before=before)
    removed = garbage.collect(store, found, now=now) if yes else None
    if as_json:
        write_document(_document(found, store.root, removed))
    else:
        shown.show(found, removed, sys.stdout)
    if removed:
        tell_of_what_is_left(removed, store.root)


def _here(project: Path) -> list[Path]:
    """The project that this is called in, which may have been moved since it was last built."""
    from sparsebuild.layout import ProjectLayout

    layout = ProjectLayout(project.resolve())
    return [layout.root] if layout.manifest.exists() else []


def _pinned(root: Path) -> Iterator[str]:
    """Every sha256 in the project's locks; read as text, so that a lock in a merge conflict counts too."""
    from sparsebuild.layout import ProjectLayout

    for path in ProjectLayout(root).lock_files():
        if path.exists():
            yield from map(bytes.decode, _SHA256.findall(path.read_bytes()))


def _seconds(age: str) -> float:
    if age == "0":
        return 0
    if not (found := _AGE.fullmatch(age)):
        raise UserError(f"`--older-than {age}` is no age", hint="a number with m, h, d or w: 12h, 30d, 8w; or 0")
    return int(found[1]) * _SECONDS[found[2]]


def _document(found: Survey, cache: Path, removed: Removed | None) -> dict[str, Any]:
    needs = [{**asdict(need), "root": str(need.root)} for need in found.needs]
    return {
        "cache": str(cache),
        "projects": needs,
        "lately": asdict(found.lately),
        "unneeded": asdict(found.unneeded),
        "removed": asdict(removed) if removed else None,
    }
