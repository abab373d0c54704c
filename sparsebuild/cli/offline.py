"""Working without a network: nobody is asked, and what is not on this machine is told at once, with sizes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.errors import Problem
    from sparsebuild.lock import LockedSource
    from sparsebuild.providers import Context

__all__ = ["Offline", "bring", "go_offline", "refuse_what_is_missing"]

Offline = Annotated[
    bool, typer.Option("--offline", help="Open no connection; what is missing is listed (also: SPARSEBUILD_OFFLINE=1).")
]


def go_offline(wanted: bool) -> None:
    """If `wanted`, let this process and all that it starts know; it is never taken back.

    The libraries with which a worker trains ask the Hub about models that they read from a folder, unless told so.
    """
    from sparsebuild.providers.base import OFFLINE

    if wanted:
        os.environ[OFFLINE] = os.environ["HF_HUB_OFFLINE"] = "1"


def refuse_what_is_missing(project: Project, targets: Collection[str] = (), force: Collection[str] = ()) -> None:
    """Raise SourceUnavailable, which lists all files that a run of `targets` would have to download.

    What lies on this machine is left where it is: to look at a project puts nothing into the cache.
    """
    from sparsebuild.providers import LOCAL, scheme_of

    sources = (s for s in _needed(project, targets, force) if scheme_of(s.request) not in LOCAL)
    bring(sources, project.context)


def bring(sources: Iterable[LockedSource], context: Context) -> None:
    """Have all files of `sources` in the cache. What cannot be had is told together."""
    from sparsebuild.errors import SourceUnavailable
    from sparsebuild.providers import ensure

    problems: list[Problem] = []
    for source in sources:
        try:
            ensure(source, context)
        except SourceUnavailable as error:
            problems += error.problems
    if problems:
        hint = problems[-1].hint
        raise SourceUnavailable(*(replace(p, hint="") if p.hint == hint else p for p in problems[:-1]), problems[-1])


def _needed(project: Project, targets: Collection[str], force: Collection[str]) -> Iterator[LockedSource]:
    """The sources that would be fetched; all of them, if not even the recipe can be read."""
    from sparsebuild.cli.project import graph
    from sparsebuild.engine import explain
    from sparsebuild.errors import SourceUnavailable

    assert project.lock is not None  # commands lock first
    try:
        drawn = graph(project)
    except SourceUnavailable:
        yield from project.lock.sources
        return
    decisions = explain.forecast(
        drawn, targets, layout=project.layout, stat_cache=project.stat_cache, store=project.store, force=force
    )
    for decision in decisions:
        name = decision.action.removeprefix("fetch@")
        source = project.lock.source(name) if name != decision.action else None
        if source and decision.verdict != "fresh" and not decision.restorable:
            yield source
