"""`sparsebuild graph`: the targets and what each reads."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Profile, ProjectFolder, Settings

if TYPE_CHECKING:
    from sparsebuild.engine.action import Action

__all__ = ["Format", "graph"]


class Format(StrEnum):
    """How a graph is written."""

    text = "text"
    mermaid = "mermaid"
    dot = "dot"
    json = "json"


def graph(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TARGET", help="These and what they need; `train+` also what needs it."),
    ] = None,
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.text,
) -> None:
    """Print the targets in the order in which they are built, and what each reads of others."""
    from sparsebuild.cli import project as projects
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.output import write_document
    from sparsebuild.ui import graph as drawn

    opened = known(projects.open_project(project, profile=profile, settings=settings or ()))
    whole = projects.graph(opened)
    actions = [whole[name] for name in whole.select(targets or whole.names)]
    if form is Format.json:
        write_document({"project": opened.manifest.project.name, "targets": [_target(action) for action in actions]})
    elif form is Format.mermaid:
        sys.stdout.write(drawn.mermaid(actions))
    elif form is Format.dot:
        sys.stdout.write(drawn.dot(actions))
    else:
        drawn.show(actions, sys.stdout)


def _target(action: Action) -> dict[str, Any]:
    reads = [{"name": given.name, "target": given.action, "path": given.path} for given in action.inputs]
    return {
        "name": action.name,
        "step": action.step,
        "version": action.version,
        "folder": action.folder,
        "reads": reads,
        "sources": sorted(action.sources),
    }
