"""`sparsebuild run`: build what is out of date."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.options import Json, ProjectFolder

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.events import Outcome
    from sparsebuild.ui import Fold

__all__ = ["Show", "run"]


class Show(StrEnum):
    """How a run is told on stderr."""

    auto = "auto"
    live = "live"
    plain = "plain"
    jsonl = "jsonl"
    quiet = "quiet"


def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="What to build, with all it needs; `train+` also what needs it."),
    ] = None,
    project: ProjectFolder = Path(),
    locked: Annotated[
        bool | None,
        typer.Option(
            "--locked/--no-locked",
            envvar="SPARSEBUILD_LOCKED",
            show_default=False,
            help="Exit with 3 if sparse.lock would change; the default in CI where there is a lock.",
        ),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", envvar="SPARSEBUILD_NO_WAIT", help="Exit with 6 if another run is at work.")
    ] = False,
    force: Annotated[
        list[str] | None, typer.Option("--force", "-f", metavar="TARGET", help="Build it in any case; repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would be built and why; build nothing.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", "-k", help="After a failure, build what does not need what failed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")] = False,
    show: Annotated[
        Show, typer.Option("--show", envvar="SPARSEBUILD_SHOW", help="How to tell the run on stderr.")
    ] = Show.auto,
    as_json: Json = False,
) -> None:
    """Build what is out of date: fetch, prepare, train, evaluate, export, and promote what passes the gates."""
    from sparsebuild.cli.project import open_project
    from sparsebuild.events import Log
    from sparsebuild.ui import choose

    with contextlib.closing(choose(sys.stderr, "quiet" if quiet else show.value)) as fold:
        opened = open_project(project, say=lambda sentence: fold(Log(message=sentence)))
        if dry_run:
            _forecast(opened, targets or (), force or (), as_json)
            return
        opened = _locked(opened, _must_be_locked(opened) if locked is None else locked, fold)
        outcomes = _build(opened, targets or (), force or (), keep_going, not no_wait, fold)
    _tell(opened, project, outcomes, as_json, quiet)


def _must_be_locked(project: Project) -> bool:
    """In CI nothing should change unseen; but a project that was never locked has nothing to hold on to."""
    return bool(os.environ.get("CI")) and project.lock is not None


def _locked(project: Project, locked: bool, fold: Fold) -> Project:
    from sparsebuild.cli.project import changes, lock_again, out_of_date, remember_documents
    from sparsebuild.events import Log

    found = changes(project)
    if not found:
        remember_documents(project)
        return project
    if locked:
        raise out_of_date(found, project.lock)
    fold(Log(message="sparse.lock is out of date: locking" if project.lock else "there is no sparse.lock: locking"))
    again = lock_again(project)
    remember_documents(again)
    if project.lock:
        for difference in found:
            fold(Log(message=str(difference)))
    return again


def _build(
    project: Project, targets: Sequence[str], force: Sequence[str], keep_going: bool, wait: bool, fold: Fold
) -> Mapping[str, Outcome]:
    from sparsebuild.cli.project import graph
    from sparsebuild.engine.build import build
    from sparsebuild.executors.dispatch import Dispatch
    from sparsebuild.steps import STEPS

    functions = {name: step.function for name, step in STEPS.items()}
    return build(
        graph(project),
        targets,
        layout=project.layout,
        store=project.store,
        stat_cache=project.stat_cache,
        executor=Dispatch(functions, project.layout),
        sink=fold,
        force=force,
        keep_going=keep_going,
        wait=wait,
    )


def _forecast(project: Project, targets: Sequence[str], force: Sequence[str], as_json: bool) -> None:
    from sparsebuild.cli.forecast import document, forecast
    from sparsebuild.cli.output import write_document

    decisions = forecast(project, targets, force)
    if as_json:
        write_document(document(project, decisions))
        return
    from sparsebuild.ui import standing

    standing.show_all(decisions, sys.stdout)


def _tell(project: Project, folder: Path, outcomes: Mapping[str, Outcome], as_json: bool, quiet: bool) -> None:
    """What it came to. A run with nothing to do has said so, and `status` shows the figures at any time."""
    from sparsebuild.cli import results

    if as_json:
        from sparsebuild.cli.output import write_document

        measured = results.read(project.layout, outcomes)
        write_document({"project": project.manifest.project.name, "outcomes": dict(outcomes), "results": measured})
    elif not quiet and set(outcomes.values()) - {"fresh"}:
        results.show(project.layout, folder, outcomes)
