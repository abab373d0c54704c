"""`sparsebuild lock`: decide what every source of sparse.toml is, and write that down."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project

__all__ = ["lock"]


def lock(
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 3 if sparse.lock is out of date.")
    ] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", "-U", help="Decide anew about every source.")] = False,
    upgrade_source: Annotated[
        list[str] | None, typer.Option("--upgrade-source", metavar="NAME", help="Decide anew about one; repeatable.")
    ] = None,
    accept_counterparts: Annotated[
        bool,
        typer.Option(
            "--accept-counterparts",
            help="Take public counterparts of SparseZoo models that are gone, and write them into sparse.toml.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write sparse.lock: the version, size and sha256 of every source. What did not change keeps its pin."""
    from sparsebuild.cli.project import open_project

    opened = open_project(project, say=_say, profile=profile, settings=settings or ())
    if accept_counterparts and not check and _accept(opened):
        opened = open_project(project, say=_say, profile=profile, settings=settings or ())
    if check:
        _check(opened, as_json)
    else:
        _lock(opened, ["*"] if upgrade else upgrade_source or [], as_json)


def _accept(project: Project) -> bool:
    """Write what lives on into sparse.toml; whether there was something to write."""
    from sparsebuild.cli import counterparts

    found = counterparts.accepted(project)
    if found:
        counterparts.write(project.layout.manifest, found)
    for stub, source in found.items():
        _say(f"sparse.toml: {stub} is {source} from now on ([sources.zoo])")
    return bool(found)


def _check(project: Project, as_json: bool) -> None:
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import changes, out_of_date

    found = changes(replace(project, lock=project.committed))
    if as_json:
        write_document({"is_current": not found, "differences": [asdict(difference) for difference in found]})
    if found:
        raise out_of_date(found, project)
    if not as_json:
        _say("sparse.lock is up to date")


def _lock(project: Project, upgrade: list[str], as_json: bool) -> None:
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import lock_again, remember_documents
    from sparsebuild.lock import differences

    again = lock_again(project, upgrade)
    remember_documents(again)
    found = differences(project.lock, again.lock)
    project.stat_cache.save()
    if as_json:
        write_document({"differences": [asdict(difference) for difference in found]})
        return
    for difference in found:
        _say(str(difference))
    _say(f"wrote {again.lock_file}" if found else f"{again.lock_file} is up to date")


def _say(sentence: str) -> None:
    from sparsebuild.ui.inert import inert

    sys.stderr.write(inert(sentence) + "\n")
