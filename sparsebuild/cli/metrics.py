"""`sparsebuild metrics`: every figure that the last build of each target left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings

__all__ = ["metrics"]


def metrics(
    targets: Annotated[
        list[str] | None, typer.Argument(metavar="TARGET", help="Of these alone; `fetch` names every `fetch@…`.")
    ] = None,
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Print the figures that targets left: scores, sparsity, sizes, and how long they took."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.measured import left_here, to_json
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import graph, open_project

    opened = known(open_project(project, profile=profile, settings=settings or ()))
    drawn = graph(opened)
    asked = drawn.all_named(targets or ()) or set(drawn.names)
    found = {name: one for name, one in left_here(opened, drawn).items() if name in asked}
    left = {name: one for name, one in found.items() if one}
    if as_json:
        measured = [{"name": name, **to_json(one)} for name, one in left.items()]
        write_document({"project": opened.manifest.project.name, "targets": measured})
        return
    from sparsebuild.ui import measured as drawing

    drawing.show(left, sys.stdout)
    if lacking := [name for name in drawn.names if name in (asked if targets else found) and name not in left]:
        sys.stderr.write(f"not built, or not as it was built: {', '.join(lacking)}\n")
