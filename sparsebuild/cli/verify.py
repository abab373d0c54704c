"""`sparsebuild verify`: whether what was built is still what was built, and whether it comes out again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings
from sparsebuild.errors import UserError

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.engine.rebuild import Rebuilt
    from sparsebuild.engine.verify import Verified

__all__ = ["verify"]


def verify(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="What to verify, with all it needs; without any, everything."),
    ] = None,
    project: ProjectFolder = Path(),
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build TARGETs, and only those, again beside, and compare what comes out.")
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            metavar="SHARE",
            help="With --rebuild: how far off numbers may be where bytes may differ; 0.02 if not said.",
        ),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="With --rebuild: exit with 6 if another run is at work.")
    ] = False,
    profile: Profile = "",
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Read every output again and hold it against its record; exit with 7 if something differs."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.project import open_project

    opened = known(open_project(project, profile=profile, settings=settings or ()))
    if not rebuild:
        _verify(opened, targets or (), as_json)
    elif targets:
        _rebuild(opened, targets, tolerance, not no_wait, as_json)
    else:
        raise UserError("`--rebuild` needs a target to build again", hint="sparsebuild verify --rebuild export")


def _verify(project: Project, targets: Sequence[str], as_json: bool) -> None:
    from sparsebuild.cli.forecast import usual
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import graph
    from sparsebuild.engine import verify as engine
    from sparsebuild.ui import choose

    whole = graph(project)
    actions = [whole[name] for name in (whole.select(targets) if targets else usual(project, whole))]
    with contextlib.closing(choose(sys.stderr)) as fold:
        found = engine.verify(
            actions, layout=project.layout, store=project.store, stat_cache=project.stat_cache, sink=fold
        )
    if as_json:
        told = [_verified(verified) for verified in found]
        write_document({"project": project.manifest.project.name, "targets": told})
    engine.refuse(found)
    if not any(verified.is_recorded for verified in found):
        raise UserError("nothing of this was built yet, so there is nothing to verify", hint="run `sparsebuild run`")
    if not as_json:
        from sparsebuild.ui import verify as shown

        shown.show(found, sys.stdout)


def _rebuild(project: Project, targets: Sequence[str], tolerance: float | None, wait: bool, as_json: bool) -> None:
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import graph
    from sparsebuild.engine import rebuild as engine
    from sparsebuild.executors.dispatch import Dispatch
    from sparsebuild.steps import STEPS
    from sparsebuild.ui import choose

    functions = {name: step.function for name, step in STEPS.items()}
    with contextlib.closing(choose(sys.stderr)) as fold:
        found = engine.rebuild(
            graph(project),
            targets,
            layout=project.layout,
            store=project.store,
            stat_cache=project.stat_cache,
            executor=Dispatch(functions, project.layout),
            sink=fold,
            tolerance=engine.TOLERANCE if tolerance is None else tolerance,
            wait=wait,
        )
    if as_json:
        write_document({"project": project.manifest.project.name, "targets": [_rebuilt(rebuilt) for rebuilt in found]})
    engine.refuse_unlike(found)
    if not as_json:
        from sparsebuild.ui import verify as shown

        shown.show_rebuilt(found, sys.stdout)


def _verified(verified: Verified) -> dict[str, Any]:
    told = asdict(verified)
    return {
        "name": told["action"],
        "is_recorded": told["is_recorded"],
        "files": told["files"],
        "bytes": told["size"],
        "differences": told["differences"],
    }


def _rebuilt(rebuilt: Rebuilt) -> dict[str, Any]:
    return {
        "name": rebuilt.action,
        "is_same": not rebuilt.unlike,
        "compared": rebuilt.by,
        "because": rebuilt.because,
        "seconds": rebuilt.seconds,
        "differences": list(rebuilt.unlike),
        "folder": rebuilt.folder,
    }
