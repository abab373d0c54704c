"""`sparsebuild diff`: this build against that of another commit, or of another folder."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings

if TYPE_CHECKING:
    from sparsebuild.cli.comparison import Comparison, TargetChange

__all__ = ["diff"]


def diff(
    other: Annotated[str, typer.Argument(metavar="REV|DIR", help="A commit, or the folder of another build.")] = "HEAD",
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Compare this build with that of another commit or folder: settings, recipe, lock, figures and sizes."""
    from sparsebuild.cli import git, sides
    from sparsebuild.cli.comparison import compare
    from sparsebuild.cli.output import write_document
    from sparsebuild.layout import MANIFEST_NAME
    from sparsebuild.origins import Laid

    laid = Laid(profile=profile, settings=tuple(settings or ()))  # over both sides: the same variant of each
    # A folder that holds a project goes before a branch of its name; that one is also `refs/heads/NAME`.
    is_folder = (Path(other) / MANIFEST_NAME).is_file()
    old = sides.of_folder(Path(other), other, laid) if is_folder else sides.of_commit(git.find(project, other), laid)
    found = compare(old, sides.of_folder(project, "this project", laid))
    if as_json:
        write_document(_document(found))
        return
    from sparsebuild.ui import comparison

    comparison.show(found, sys.stdout)


def _document(found: Comparison) -> dict[str, Any]:
    return {
        "old": found.old,
        "new": found.new,
        "settings": [asdict(change) for change in found.settings],
        "recipe": [asdict(change) for change in found.recipe],
        "lock": [asdict(difference) for difference in found.lock],
        "targets": [_target(target) for target in found.targets],
        "notes": list(found.notes),
    }


def _target(target: TargetChange) -> dict[str, Any]:
    from sparsebuild.cli.measured import to_json

    return {
        "name": target.name,
        "state": target.state,
        "old": to_json(target.old) if target.old else None,
        "new": to_json(target.new) if target.new else None,
    }
