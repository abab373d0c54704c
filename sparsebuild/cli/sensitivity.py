"""`sparsebuild sensitivity`: which layers hurt when they are pruned or quantized."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Quiet, Settings, Variant
from sparsebuild.layout import built

__all__ = ["sensitivity"]


def sensitivity(
    variant: Variant = "",
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Prune and quantize each layer of the trained model alone, and rank them by what it does to the answers."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import check_variant, open_project
    from sparsebuild.cli.run import build_targets, fold_of, settle
    from sparsebuild.events import Log
    from sparsebuild.ui import sensitivity as drawing

    with contextlib.ExitStack() as stack:
        fold = stack.enter_context(contextlib.closing(fold_of("quiet" if quiet else "auto", "", stack)))
        opened = open_project(
            project, say=lambda sentence: fold(Log(message=sentence)), profile=profile, settings=settings or ()
        )
        check_variant(opened, variant)
        opened = settle(opened, None, False, fold)
        target = f"sensitivity@{variant}" if variant else "sensitivity"
        build_targets(opened, [target], force=(), keep_going=False, wait=True, jobs=1, sink=fold)
    folder = built("sensitivity", variant)
    found = json.loads((opened.layout.root / folder / "sensitivity.json").read_text())
    if as_json:
        found.pop("schema_version")
        write_document({"project": opened.manifest.project.name, **found})
    else:
        plots = [str(project / folder / f"{way}.svg") for way in ("prune", "quantize")]
        drawing.show(found, plots, sys.stdout)
