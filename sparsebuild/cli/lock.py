"""`sparsebuild lock`: decide what every source of sparse.toml is, and write that down."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.offline import Offline, go_offline
from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings
from sparsebuild.cli.telling import say, shown

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project

__all__ = ["lock", "show_locked"]


def lock(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="With --upgrade: of these sources only, such as `model` or `data`."),
    ] = None,
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 3 if sparse.lock is out of date.")
    ] = False,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", "-U", help="Decide anew about every source, or about each NAME.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Write nothing; say what would change, old -> new.")
    ] = False,
    offline: Offline = False,
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

    writes = not (check or dry_run)
    _refuse(names or (), upgrade, check, dry_run)
    go_offline(offline)
    with shown() as progress:
        opened = open_project(project, say, progress, profile=profile, settings=settings or ())
        if accept_counterparts and writes and _accept(opened):
            opened = open_project(project, say, progress, profile=profile, settings=settings or ())
        if check:
            _check(opened, as_json)
        else:
            _lock(opened, (names or ["*"]) if upgrade else (), writes, as_json)


def show_locked(before: Project, after: Project) -> None:
    """Tell what is otherwise in the lock that was just written, old -> new."""
    from sparsebuild.lock import differences

    found = differences(before.lock, after.lock)
    for difference in found:
        say(str(difference))
    say(f"wrote {after.lock_file}" if found or before.sides else f"{after.lock_file} is up to date")


def _refuse(names: Collection[str], upgrade: bool, check: bool, dry_run: bool) -> None:
    """Refuse options that make no sense, or not together."""
    from sparsebuild.errors import UserError

    if names and not upgrade:
        raise UserError(
            f"`lock {' '.join(names)}` names sources, but not what to do with them",
            hint=f"`sparsebuild lock --upgrade {' '.join(names)}` decides anew about them",
        )
    if check and (upgrade or dry_run):
        raise UserError(
            "`--check` looks at the lock as it is", hint="`--dry-run --upgrade` says what an upgrade would change"
        )


def _accept(project: Project) -> bool:
    """Write what lives on into sparse.toml; whether there was something to write."""
    from sparsebuild.cli import counterparts

    found = counterparts.accepted(project)
    if found:
        counterparts.write(project.layout.manifest, found)
    for stub, source in found.items():
        say(f"sparse.toml: {stub} is {source} from now on ([sources.zoo])")
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
        say("sparse.lock is up to date")


def _lock(project: Project, upgrade: Collection[str], writes: bool, as_json: bool) -> None:
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import conflict, decided, lock_again, remember_documents
    from sparsebuild.lock import differences

    for sentence in conflict(project):
        say(sentence)
    if writes:
        again = lock_again(project, upgrade)
        remember_documents(again)
        project.stat_cache.save()
    else:
        again = decided(project, upgrade)
    found = differences(project.lock, again.lock)
    if as_json:
        write_document({"differences": [asdict(difference) for difference in found], "is_dry_run": not writes})
    elif writes:
        show_locked(project, again)
    else:
        for difference in found:
            say(str(difference))
        say(f"{again.lock_file} would be written" if found or project.sides else f"{again.lock_file} is up to date")
