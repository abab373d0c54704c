"""Which lock a command works with: made current, refused unless it is (`--locked`), or as it is (`--frozen`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.switches import is_on

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project

__all__ = ["Frozen", "Locked", "asked_for", "must_be_locked", "settled"]

_Say = Callable[[str], None]

_OF_ALL = ("compare", "report")  # targets that read from every variant

Locked = Annotated[
    bool | None,
    typer.Option(
        "--locked/--no-locked",
        envvar="SPARSEBUILD_LOCKED",
        show_default=False,
        help="Exit with 3 if sparse.lock would change; the default in CI where there is a lock.",
    ),
]
Frozen = Annotated[
    bool,
    typer.Option(
        "--frozen",
        envvar="SPARSEBUILD_FROZEN",
        help="Take sparse.lock as it is, whatever sparse.toml asks for and local files are; exit with 3 without one.",
    ),
]


def settled(
    project: Project, locked: bool | None, frozen: bool, say: _Say, warn: _Say, targets: Sequence[str] = ()
) -> Project:
    """The project with the lock to work with. What is locked anew on the way is told to `say`, old -> new.

    Raises LockOutOfDate where the lock would have to change and may not.
    """
    from sparsebuild.cli import apart
    from sparsebuild.cli.project import changes, lock_again, refuse_changes, remember_documents
    from sparsebuild.lock import differences

    if frozen:
        return _frozen(project, locked, warn)
    if must_be_locked(project, locked):
        asked = asked_for(project, targets)
        refuse_changes(asked)
        if asked is not project:  # it is not all that sparse.toml says, so nothing is remembered of it
            return asked
    if not changes(project) and not project.sides:
        if project.lock and project.lock != project.committed:  # of both, it may stand in neither file
            apart.keep(project.layout, project.manifest, project.lock)
        remember_documents(project)
        return project
    again = lock_again(project, say=say)
    remember_documents(again)
    for difference in differences(project.lock, again.lock) if project.lock else ():
        say(str(difference))
    return again


def asked_for(project: Project, targets: Sequence[str]) -> Project:
    """The project without the variants whose recipes `sparse.lock` lacks, if `targets` are none of theirs.

    The lock that travels with a model has no recipe of another one.
    """
    from sparsebuild.resolve import requests

    lock, manifest = project.committed, project.manifest
    if lock is None or project.written.is_changed:
        return project
    recipes = [request.name for request in requests(manifest) if request.name.startswith("recipe.")]
    lacking = {name.removeprefix("recipe.") for name in recipes if lock.source(name) is None}
    of_all = [target for target in targets if target in _OF_ALL or set(target) & set("*?[+")]
    if not targets or of_all or lacking.intersection(target.partition("@")[2] for target in targets):
        return project
    kept = {name: variant for name, variant in manifest.variant.items() if name not in lacking}
    return replace(project, manifest=replace(manifest, variant=kept)) if lacking else project


def must_be_locked(project: Project, locked: bool | None) -> bool:
    """Whether the lock may not change: as `--locked` and `--no-locked` say, else in CI, where nothing should unseen.

    A project that was never locked has nothing to hold on to there.
    """
    return is_on("CI") and project.lock is not None if locked is None else locked


def _frozen(project: Project, locked: bool | None, warn: _Say) -> Project:
    """The project as its lock has it; `warn` is told what is asked for in vain. Refuses a lock that lacks a source."""
    from sparsebuild.cli.project import out_of_date
    from sparsebuild.errors import UserError
    from sparsebuild.resolve import asks_otherwise

    if locked:
        raise UserError("`--frozen` and `--locked` exclude each other", hint="one checks the lock, one does not")
    if project.lock is None or project.sides:
        raise out_of_date((), project)
    found = asks_otherwise(project.manifest, project.lock)
    if lacking := [difference for difference in found if difference.change == "source added"]:
        raise out_of_date(lacking, project)
    if found:
        warn(f"{project.lock_file} is taken as it is, but sparse.toml asks for something else")
    for difference in found:
        warn(str(difference))
    return replace(project, is_frozen=True)
