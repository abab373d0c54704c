"""Building what is out of date, so that a stop at any moment leaves a state from which the next run finishes.

For each action, in order:

    stand       what would it read, what was done, what is on the disk → reasons; none: it is fresh
    forget      the record goes first: from here on nothing claims to be done
    recall      the same question was answered once, here or in another project: its files come from the store
    work        or else the step runs, in .sparsebuild/work/<name>/<question>/: `out` is new at each try,
                `scratch` stays while the question does
    keep        the files of `out` go into the store, then the answer to the question
    swap        `out` takes the place of the action's folder, by renaming
    record      last

A failure keeps the work folder and the log, and what stood in the action's folder before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sparsebuild import events
from sparsebuild.engine import fingerprint, outputs
from sparsebuild.engine import record as records
from sparsebuild.engine.action import JSON, Action, File
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.held import held, refuse_links, stoppable
from sparsebuild.engine.job import Executor, Job
from sparsebuild.engine.record import Record
from sparsebuild.engine.report import EventReport, read_notes
from sparsebuild.engine.standing import records_folder, stand, work_folder
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Missing, Store
from sparsebuild.errors import SparsebuildError, TargetFailed, UserError
from sparsebuild.layout import ProjectLayout

__all__ = ["build"]


def build(
    graph: Graph,
    targets: Iterable[str] = (),
    *,
    layout: ProjectLayout,
    store: Store,
    stat_cache: StatCache,
    executor: Executor,
    sink: events.Sink,
    clock: Callable[[], float] = time.monotonic,
    force: Iterable[str] = (),
    keep_going: bool = False,
    wait: bool = True,
) -> Mapping[str, events.Outcome]:
    """Bring `targets` and all that they need up to date; says what became of each. Closes `executor`.

    `force` runs what it names even where there is no reason to, and from the beginning. After a failure what rests on
    it is skipped, and everything else too unless `keep_going`. At the end the failure is raised: the step's own
    SparsebuildError, or what else it raised. Ctrl-C and SIGTERM raise Interrupted.
    """
    names = graph.select(targets)
    forced = frozenset(name for target in force for name in graph.named(target))
    with stoppable(), held(layout, sink, wait=wait), contextlib.closing(executor):
        site = _Site(layout=layout, store=store, stat_cache=stat_cache, executor=executor, sink=sink, clock=clock)
        return _Run(graph, site, forced, keep_going).all(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """All that the work is done with."""

    layout: ProjectLayout
    store: Store
    stat_cache: StatCache
    executor: Executor
    sink: events.Sink
    clock: Callable[[], float]


class _Run:
    """The story of one run: what became of each action so far."""

    def __init__(self, graph: Graph, site: _Site, forced: frozenset[str], keep_going: bool) -> None:
        self._graph = graph
        self._site = site
        self._forced = forced
        self._keep_going = keep_going
        self._done: dict[str, tuple[File, ...]] = {}  # outputs of what is up to date
        self._outcomes: dict[str, events.Outcome] = {}
        self._errors: list[Exception] = []

    def all(self, names: Sequence[str]) -> Mapping[str, events.Outcome]:
        started = self._site.clock()
        self._site.sink(events.RunStarted(project=self._site.layout.root.name, targets=tuple(names)))
        try:
            for name in names:
                self._one(self._graph[name])
        finally:
            with contextlib.suppress(OSError):  # it only spares time
                self._site.stat_cache.save()
            outcomes = {name: self._outcomes.get(name, "skipped") for name in names}
            self._site.sink(events.RunFinished(seconds=self._site.clock() - started, outcomes=outcomes))
        if self._errors:
            raise _all_told(self._errors)
        return outcomes

    def _one(self, action: Action) -> None:
        started = self._site.clock()
        outcome: events.Outcome = "interrupted"
        message = ""
        try:
            outcome, message = self._outcome(action)
        finally:
            self._outcomes[action.name] = outcome
            seconds = self._site.clock() - started
            finished = events.TargetFinished(target=action.name, outcome=outcome, seconds=seconds, message=message)
            self._site.sink(finished)

    def _outcome(self, action: Action) -> tuple[events.Outcome, str]:
        lacking = [name for name in self._graph.needs(action.name) if name not in self._done]
        if lacking:
            fate = "failed" if self._outcomes[lacking[0]] == "failed" else "was skipped"
            return "skipped", f"it needs `{lacking[0]}`, which {fate}"
        if self._errors and not self._keep_going:
            return "skipped", "a target before it failed"
        try:
            return self._bring_up_to_date(action), ""
        except Exception as error:
            told = _blame_environment(error) if isinstance(error, OSError) else error
            self._errors.append(told)
            return "failed", told.args[0] if isinstance(told, SparsebuildError) else repr(told)

    def _bring_up_to_date(self, action: Action) -> events.Outcome:
        forced = action.name in self._forced
        standing = stand(action, self._done, self._site.layout, self._site.stat_cache, forced=forced)
        reasons = tuple(str(reason) for reason in standing.reasons)
        verdict: events.Verdict = "stale" if reasons else "fresh"
        self._site.sink(events.TargetDecided(target=action.name, verdict=verdict, reasons=reasons))
        if standing.record and not reasons:
            self._done[action.name] = standing.record.outputs
            return "fresh"
        outcome, record = _make(self._site, action, self._reads(action), standing.record, forced)
        self._done[action.name] = record.outputs
        return outcome

    def _reads(self, action: Action) -> tuple[_Read, ...]:
        reads = []
        for given in action.inputs:
            files = outputs.under(self._done[given.action], given.path)
            if not files:
                raise TargetFailed(f"`{action.name}` reads `{given.path}` of `{given.action}`, which left no such file")
            folder = self._site.layout.root / self._graph[given.action].folder
            reads.append(_Read(name=given.name, folder=folder, path=given.path, files=files))
        return tuple(reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One input and where it stands."""

    name: str
    folder: Path  # of the action that left it
    path: str  # what of it is read
    files: tuple[File, ...]  # their paths begin at `folder`

    @property
    def seen(self) -> tuple[File, ...]:
        return outputs.read(self.files, self.path)


@dataclass(frozen=True, slots=True)
class _Work:
    """Where one question of an action is worked on."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def notes(self) -> Path:
        return self.folder / "notes.json"

    @property
    def aside(self) -> Path:
        """What stood in the action's folder, while `out` takes its place."""
        return self.folder / "aside"


def _make(
    site: _Site, action: Action, reads: Sequence[_Read], before: Record | None, forced: bool
) -> tuple[events.Outcome, Record]:
    document = fingerprint.document(action, {read.name: outputs.digest(read.seen) for read in reads})
    question = fingerprint.fingerprint(document)
    records.remove(records_folder(site.layout), action.name)
    work = _prepare(work_folder(site.layout, action.name), question, forced)
    restored = None if forced else _restore(site, action, question, work)
    if restored is None:
        seconds, notes = _step(site, action, reads, before, work)
        _refuse_moved(site, action, reads)
        files = _keep(site, action, work)
        record = Record(document=document, fingerprint=question, outputs=files, seconds=seconds, notes=notes)
        site.store.remember(record)
    else:
        record = restored
    _swap(work, site.layout.root, action.folder)
    told = replace(record, inputs={read.name: read.seen for read in reads})
    records.write(records_folder(site.layout), action.name, told)
    _delete(work.folder.parent)
    return ("built" if restored is None else "restored"), told


def _prepare(home: Path, question: str, forced: bool) -> _Work:
    """Make room for a try at `question`; what tries at other questions left is removed."""
    work = _Work(home / question[:16])
    home.mkdir(parents=True, exist_ok=True)
    for other in home.iterdir():
        if forced or other != work.folder:
            _delete(other)
    _delete(work.out)
    work.out.mkdir(parents=True)
    work.scratch.mkdir(exist_ok=True)
    return work


def _restore(site: _Site, action: Action, question: str, work: _Work) -> Record | None:
    record = site.store.recall(question)
    if record is None:
        return None
    try:
        for file in record.outputs:
            site.store.copy_to(file.sha256, work.out / file.path)
    except Missing:
        message = "what an earlier run left in the cache is damaged, so it is built again"
        site.sink(events.Log(target=action.name, message=message, level="warning"))
        _delete(work.out)
        work.out.mkdir()
        return None
    return record


def _step(
    site: _Site, action: Action, reads: Sequence[_Read], before: Record | None, work: _Work
) -> tuple[float, Mapping[str, JSON]]:
    """Run the step to its end: how long it took and what it noted."""
    log = site.layout.state / "logs" / f"{action.name}.log"
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    log.touch()
    job = Job(
        name=action.name,
        step=action.step,
        params=action.params,
        inputs={read.name: read.folder / read.path for read in reads},
        sources=action.sources,
        out=work.out,
        scratch=work.scratch,
        log=log,
        root=site.layout.root,
        notes=read_notes(work.notes) or (before.notes if before else {}),
    )
    report = EventReport(action.name, site.sink, work.notes)
    site.sink(events.TargetStarted(target=action.name))
    started = site.clock()
    site.executor.run(action.where, job, report)
    return site.clock() - started, report.notes


def _refuse_moved(site: _Site, action: Action, reads: Sequence[_Read]) -> None:
    """Raise TargetFailed if an input was edited while the step ran: the record would promise what nobody did."""
    for read in reads:
        if outputs.present(read.folder, read.files, site.stat_cache) != {f.path: f.sha256 for f in read.files}:
            raise TargetFailed(f"the input `{read.name}` of `{action.name}` was edited while it was read")


def _keep(site: _Site, action: Action, work: _Work) -> tuple[File, ...]:
    """Put the files of `out` into the store."""
    files = outputs.scan(work.out, site.stat_cache)
    if not files:
        raise TargetFailed(f"`{action.name}` left no files")
    for file in files:
        if not site.store.has(file.sha256) and site.store.put(work.out / file.path) != file.sha256:
            raise TargetFailed(f"the output {file.path} of `{action.name}` changed after its step had ended")
    return files


def _swap(work: _Work, root: Path, name: str) -> None:
    """Let `out` take the place of the folder `name`. A kill in between leaves no folder and no record."""
    folder = root / name
    refuse_links(root, folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _delete(work.aside)
    if os.path.lexists(folder):
        folder.rename(work.aside)
    work.out.rename(folder)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _blame_environment(error: OSError) -> UserError:
    # Steps' own errors come as other types, so this is the engine at work on the user's disk.
    place = Path(error.filename).name if error.filename else "the project or the cache"
    return UserError(
        f"cannot read or write {place}: {error.strerror}", hint="free space, or check who owns the folders"
    )


def _all_told(errors: Sequence[Exception]) -> Exception:
    """One exception for all of them: our bug if there is one, else the first, with everybody's problems."""
    known = [error for error in errors if isinstance(error, SparsebuildError)]
    if len(known) < len(errors):
        return next(error for error in errors if not isinstance(error, SparsebuildError))
    known[0].problems = tuple(problem for error in known for problem in error.problems)
    return known[0]
