"""`sparsebuild run`: build what is out of date."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from sparsebuild.cli.locking import Frozen, Locked, asked_for, must_be_locked, settled
from sparsebuild.cli.offline import Offline, go_offline, refuse_what_is_missing
from sparsebuild.cli.options import Json, Profile, ProjectFolder, Quiet, Settings
from sparsebuild.cli.telling import progress_to

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.events import Event, Outcome, Sink
    from sparsebuild.ui import Fold, Mode

__all__ = ["Show", "build_targets", "fold_of", "open_told", "run", "settle"]

_STDOUT = "jsonl"  # as a place for events; a file of that name is `./jsonl`


class Show(StrEnum):
    """How a run is told on stderr."""

    auto = "auto"
    live = "live"
    plain = "plain"
    jsonl = "jsonl"
    quiet = "quiet"


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET",
        help="What to build, with all it needs; `train+` also what needs it; `train@NAME` of a variant.",
    ),
]
NoWait = Annotated[
    bool, typer.Option("--no-wait", envvar="SPARSEBUILD_NO_WAIT", help="Exit with 6 if another run is at work.")
]
Force = Annotated[
    list[str] | None, typer.Option("--force", "-f", metavar="TARGET", help="Build it in any case; repeatable.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would be built and why; build nothing.")]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", "-k", help="After a failure, build what does not need what failed.")
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        envvar="SPARSEBUILD_JOBS",
        help="Build up to N targets at once; of those that compute, one at a time.",
    ),
]
Shown = Annotated[Show, typer.Option("--show", envvar="SPARSEBUILD_SHOW", help="How to tell the run on stderr.")]
Events = Annotated[
    str,
    typer.Option(
        "--events",
        metavar="jsonl|FILE",
        help="Also write the events as JSON lines: to stdout, in place of results, or to a file.",
    ),
]


def run(
    targets: Targets = None,
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    locked: Locked = None,
    frozen: Frozen = False,
    offline: Offline = False,
    no_wait: NoWait = False,
    force: Force = None,
    dry_run: DryRun = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = 1,
    quiet: Quiet = False,
    show: Shown = Show.auto,
    events: Events = "",
    as_json: Json = False,
) -> None:
    """Build what is out of date: fetch, prepare, train, evaluate, export, and promote what passes the gates."""
    from sparsebuild.cli import results
    from sparsebuild.cli.matching import make_sure
    from sparsebuild.events import RunFinished

    _check(jobs, events, dry_run, as_json)
    go_offline(offline)
    asked = [*targets, *(force or ())] if targets else ()
    with contextlib.ExitStack() as stack:
        fold = stack.enter_context(contextlib.closing(fold_of("quiet" if quiet else show.value, events, stack)))
        opened = open_told(project, profile, settings, fold)
        if dry_run:
            opened = _looked_at(opened, locked, frozen, fold, asked)
            _only_tell(opened, targets or (), force or (), as_json)
            return
        opened = settle(opened, locked, frozen, fold, asked)
        if opened.context.offline:
            refuse_what_is_missing(opened, targets or (), force or ())
        make_sure(opened, targets or (), force or ())

        def sink(event: Event) -> None:
            fold(event)
            if as_json and isinstance(event, RunFinished):  # a run that fails has this end too
                _write(opened, event.outcomes)

        outcomes = build_targets(
            opened, targets or (), force=force or (), keep_going=keep_going, wait=not no_wait, jobs=jobs, sink=sink
        )
    # A run with nothing to do has said so, and `status` shows the figures at any time.
    if not (as_json or quiet or events == _STDOUT) and set(outcomes.values()) - {"fresh"}:
        results.show(opened.layout, project, outcomes)


def _check(jobs: int, events: str, dry_run: bool, as_json: bool) -> None:
    """Refuse options that make no sense, or not together."""
    from sparsebuild.errors import UserError

    if jobs < 1:
        raise UserError(f"`--jobs` must be at least 1, found {jobs}")
    if events == _STDOUT and as_json:
        raise UserError(
            "`--events jsonl` and `--json` both write to stdout", hint="write the events to a file: `--events FILE`"
        )
    if events and dry_run:
        raise UserError("a dry run has no events", hint="`--json` prints what it finds")


def fold_of(mode: Mode, events: str, stack: contextlib.ExitStack) -> Fold:
    """All who are told of the run: a person on stderr, GitHub's runner, and who reads the events."""
    from sparsebuild.ui import choose, github

    folds = [choose(sys.stderr, mode)]
    if github.are_wanted() and mode != "jsonl":
        folds.append(github.Annotations(sys.stderr))
    if events:
        from sparsebuild.ui.jsonl import JsonLines

        folds.append(JsonLines(sys.stdout if events == _STDOUT else _file(events, stack)))
    if len(folds) == 1:
        return folds[0]
    from sparsebuild.ui.together import Together

    return Together(folds)


def _file(path: str, stack: contextlib.ExitStack) -> TextIO:
    from sparsebuild.errors import UserError

    try:
        return stack.enter_context(Path(path).open("w", encoding="utf-8"))
    except OSError as error:
        raise UserError(f"the events cannot be written to `{path}`: {error.strerror}") from None


def open_told(folder: Path, profile: str, settings: Sequence[str] | None, fold: Fold) -> Project:
    """The project in `folder`; `fold` is told what is seen and brought on the way."""
    from sparsebuild.cli.project import open_project
    from sparsebuild.events import Log

    return open_project(
        folder,
        lambda sentence: fold(Log(message=sentence)),
        progress_to(fold),
        profile=profile,
        settings=settings or (),
    )


def settle(project: Project, locked: bool | None, frozen: bool, fold: Fold, targets: Sequence[str] = ()) -> Project:
    """The project with the lock to build with; `fold` is told what changes in it."""
    from sparsebuild.events import Log

    return settled(
        project,
        locked,
        frozen,
        say=lambda sentence: fold(Log(message=sentence)),
        warn=lambda sentence: fold(Log(message=sentence, level="warning")),
        targets=targets,
    )


def _looked_at(project: Project, locked: bool | None, frozen: bool, fold: Fold, targets: Sequence[str]) -> Project:
    """The project as a dry run has it, which locks nothing."""
    from sparsebuild.cli.forecast import known
    from sparsebuild.cli.project import refuse_changes

    if frozen:
        return settle(project, locked, frozen, fold)
    if must_be_locked(project, locked):
        project = asked_for(project, targets)
        refuse_changes(project)
    return known(project)


def build_targets(
    project: Project,
    targets: Sequence[str],
    *,
    force: Sequence[str],
    keep_going: bool,
    wait: bool,
    jobs: int,
    sink: Sink,
) -> Mapping[str, Outcome]:
    """Build `targets` and what they need, after what can be told before any work is done; raises what fails."""
    from sparsebuild.cli import laid
    from sparsebuild.cli.matching import refuse_long_shapes, unused
    from sparsebuild.cli.project import graph
    from sparsebuild.engine.build import build
    from sparsebuild.events import Log, TargetFinished
    from sparsebuild.executors.dispatch import Dispatch
    from sparsebuild.steps import STEPS

    functions = {name: step.function for name, step in STEPS.items()}
    made: list[str] = []

    def noted(event: Event) -> None:
        if isinstance(event, TargetFinished) and event.outcome in ("built", "restored"):
            made.append(event.target)
        sink(event)

    whole = graph(project)
    for told in unused(project.manifest, whole):
        sink(Log(message=told, level="warning"))
    refuse_long_shapes(project, whole.select(targets, force))
    try:
        return build(
            whole,
            targets,
            layout=project.layout,
            store=project.store,
            stat_cache=project.stat_cache,
            executor=Dispatch(functions, project.layout),
            sink=noted,
            force=force,
            keep_going=keep_going,
            wait=wait,
            jobs=jobs,
        )
    finally:
        if made:
            laid.note(project.layout, made, project.written)


def _only_tell(project: Project, targets: Sequence[str], force: Sequence[str], as_json: bool) -> None:
    """Tell what would be done and, offline, what is missing for it: all of it, where even the recipe is."""
    from sparsebuild.errors import SourceUnavailable

    try:
        _forecast(project, targets, force, as_json)
    except SourceUnavailable:
        if not project.context.offline:
            raise
    if project.context.offline:
        refuse_what_is_missing(project, targets, force)


def _forecast(project: Project, targets: Sequence[str], force: Sequence[str], as_json: bool) -> None:
    from sparsebuild.cli.forecast import document, estimate, forecast

    decisions = forecast(project, targets, force)
    cost = estimate(decisions)
    if as_json:
        from dataclasses import asdict

        from sparsebuild.cli.output import write_document

        write_document({**document(project, decisions), "estimate": asdict(cost)})
        return
    from sparsebuild.ui import standing

    standing.show_all(decisions, cost, sys.stdout)


def _write(project: Project, outcomes: Mapping[str, Outcome]) -> None:
    """Write what it came to as JSON: what became of each target, and what those that are up to date measured."""
    from sparsebuild.cli import results
    from sparsebuild.cli.output import write_document

    done = [name for name, outcome in outcomes.items() if outcome in ("fresh", "built", "restored")]
    told = {
        "project": project.manifest.project.name,
        "outcomes": dict(outcomes),
        "results": results.read(project.layout, done),
    }
    if names := [name for name in results.variants_of(outcomes) if name]:
        told["variants"] = {name: results.read(project.layout, done, name) for name in names}
    write_document(told)
