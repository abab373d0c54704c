"""`sparsebuild status`: what is up to date and what is not."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sparsebuild.cli.offline import Offline, go_offline, refuse_what_is_missing
from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings

__all__ = ["status"]

_STALE = 8


def status(
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    offline: Offline = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 8 if something that a run builds is not up to date.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which targets are up to date, why the others are not, and what the last build measured."""
    from sparsebuild.cli.forecast import document, estimate, forecast, known, usual
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import graph, open_project
    from sparsebuild.cli.results import read, read_variants

    go_offline(offline)
    opened = open_project(project, profile=profile, settings=settings or ())
    opened = known(opened)
    drawn = graph(opened)
    decisions = forecast(opened, usual(opened, drawn))
    due = set(drawn.select())
    run = [decision for decision in decisions if decision.action in due]
    on_demand = [decision for decision in decisions if decision.action not in due]
    cost = estimate(run)
    steps = ("eval", "gate")
    measured = read(opened.layout, steps)
    variants = read_variants(opened.layout, steps, opened.manifest.variant)
    if as_json:
        of_variants = {"variants": variants} if opened.manifest.variant else {}
        apart = {"on_demand": [decision.action for decision in on_demand]}
        estimated = {"estimate": asdict(cost), "results": measured, **of_variants}
        write_document({**document(opened, decisions), **apart, **estimated})
    else:
        from sparsebuild.ui import results, standing

        standing.show_all(run, cost, sys.stdout, on_demand)
        stale = [d.action for d in run if d.verdict != "fresh" and d.action.partition("@")[0] in steps]
        if stale and (measured or variants):
            sys.stdout.write(f"\nwhat was measured last; not up to date: {', '.join(stale)}\n")
        results.show(measured, sys.stdout)
        if variants:
            results.show_variants({"": measured, **variants}, sys.stdout)
    if opened.context.offline:
        refuse_what_is_missing(known(opened))
    if exit_code and any(decision.verdict != "fresh" for decision in run):
        raise typer.Exit(_STALE)
