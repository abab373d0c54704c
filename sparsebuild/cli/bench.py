"""`sparsebuild bench`: how fast the exported file is, and with --profile-layers what its layers are made of."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings

__all__ = ["bench"]


def bench(
    project: ProjectFolder = Path(),
    profile_layers: Annotated[
        bool,
        typer.Option("--profile-layers", help="Time the kernels of layers by heads and neurons, on random weights."),
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure anew, although nothing changed.")] = False,
    profile: Profile = "",
    settings: Settings = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")] = False,
    as_json: Json = False,
) -> None:
    """Time the exported file beside its dense float model, or the kernels of its layers, and show the table."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import open_project
    from sparsebuild.cli.run import build_targets, fold_of, settle
    from sparsebuild.events import Log
    from sparsebuild.ui import bench as times_of_files
    from sparsebuild.ui import profile as times_of_layers

    target, name = ("profile", "layers.json") if profile_layers else ("bench", "bench.json")
    with contextlib.ExitStack() as stack:
        fold = stack.enter_context(contextlib.closing(fold_of("quiet" if quiet else "auto", "", stack)))
        opened = open_project(
            project, say=lambda sentence: fold(Log(message=sentence)), profile=profile, settings=settings or ()
        )
        opened = settle(opened, None, False, fold)
        force = (target,) if again else ()
        build_targets(opened, [target], force=force, keep_going=False, wait=True, jobs=1, sink=fold)
    found = json.loads((opened.layout.build / target / name).read_text())
    if as_json:
        found.pop("schema_version")
        write_document({"project": opened.manifest.project.name, **found})
    else:
        (times_of_layers if profile_layers else times_of_files).show(found, sys.stdout)
