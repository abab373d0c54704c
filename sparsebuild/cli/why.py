"""`sparsebuild why`: why a target has to run, or that it has not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings

__all__ = ["why"]


def why(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="As in `status`; `fetch` names every `fetch@…`.")],
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Say why TARGET has to run: each change, old value and new, with the line that says so."""
    from sparsebuild.cli.forecast import document, forecast, known
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import graph, open_project

    opened = open_project(project, profile=profile, settings=settings or ())
    named = graph(known(opened)).named(target)
    asked = [decision for decision in forecast(opened, [target]) if decision.action in named]
    if as_json:
        write_document(document(opened, asked))
        return
    from sparsebuild.ui import standing

    for decision in asked:
        standing.show_one(decision, sys.stdout)
