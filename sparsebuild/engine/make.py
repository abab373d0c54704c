"""Making one action that is out of date, so that a stop at any moment leaves a state from which the next run finishes.

    forget      the record goes first: from here on nothing claims to be done
    recall      the same question was answered once, here or in another project: its files come from the store
    work        or else the step runs in a folder of this try's own, see `work.py`
    keep        the files of `out` go into the store, then the answer to the question
    swap        `out` takes the place of the action's folder, see `swap.py`
    record      last

A failure keeps the work folder and the log, and what stood in the action's folder before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sparsebuild import events
from sparsebuild.engine import fingerprint, outputs, work
from sparsebuild.engine import record as records
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.job import Executor, Job
from sparsebuild.engine.record import Record
from sparsebuild.engine.report import EventReport, read_notes
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Missing, Store
from sparsebuild.engine.swap import swap
from sparsebuild.engine.work import Work
from sparsebuild.errors import TargetFailed
from sparsebuild.layout import ProjectLayout

__all__ = ["Read", "Site", "make", "reads"]

# A step that took longer than this, or left more, is not done again lightly: its objects, trace and record are on
# the disk before anybody hears that they are there. Its outputs need not be: they can be restored.
_LONG = 1.0  # seconds
_MUCH = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that the work is done with."""

    layout: ProjectLayout
    store: Store
    stat_cache: StatCache
    executor: Executor
    sink: events.Sink
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One input and where it stands."""

    name: str
    folder: Path  # of the action that left it
    path: str  # what of it is read
    files: tuple[File, ...]  # their paths begin at `folder`

    @property
    def seen(self) -> tuple[File, ...]:
        return outputs.read(self.files, self.path)


def reads(
    graph: Graph, action: Action, done: Mapping[str, tuple[File, ...]], layout: ProjectLayout
) -> tuple[Read, ...]:
    """What `action` reads of the outputs that are `done`; raises TargetFailed where one left nothing of that kind."""
    found = []
    for given in action.inputs:
        files = outputs.under(done[given.action], given.path)
        if not files:
            raise TargetFailed(f"`{action.name}` reads `{given.path}` of `{given.action}`, which left no such file")
        folder = layout.root / graph[given.action].folder
        found.append(Read(name=given.name, folder=folder, path=given.path, files=files))
    return tuple(found)


def make(site: Site, action: Action, given: Sequence[Read], *, forced: bool) -> tuple[events.Outcome, Record]:
    """Restore or build `action`, which reads `given`; what was done, and its record."""
    document = fingerprint.document(action, {read.name: outputs.digest(read.seen) for read in given})
    question = fingerprint.fingerprint(document)
    try_ = work.begin(site.layout, action.name, question, anew=forced)
    try:
        restored = None if forced else _restore(site, action, question, try_)
        made = restored or _build(site, action, document, given, try_)
        if not try_.is_ours:
            raise _robbed(action)
        swap(
            try_,
            action,
            made.outputs,
            layout=site.layout,
            store=site.store,
            stat_cache=site.stat_cache,
            sink=site.sink,
        )
    except Exception as error:
        if not try_.is_ours:
            raise _robbed(action) from error
        raise
    told = replace(made, folder=action.folder, inputs={read.name: read.seen for read in given})
    records.write(work.records_folder(site.layout), action.name, told, durable=_is_costly(told))
    work.end(site.layout, action.name, try_)
    return ("restored" if restored else "built"), told


def _restore(site: Site, action: Action, question: str, try_: Work) -> Record | None:
    record = site.store.recall(question)
    if record is None:
        return None
    try:
        for file in record.outputs:
            site.store.copy_to(file.sha256, try_.out / file.path)
    except Missing:
        message = "what an earlier run left in the cache is damaged, so it is built again"
        site.sink(events.Log(target=action.name, message=message, level="warning"))
        work.delete(try_.out)
        try_.out.mkdir()
        return None
    return record


def _build(site: Site, action: Action, document: Mapping[str, object], given: Sequence[Read], try_: Work) -> Record:
    log = work.begin_log(site.layout, action.name)
    report = EventReport(action.name, site.sink, try_.notes, log)
    seconds = _step(site, action, given, try_, report)
    _refuse_moved(site, action, given)
    files = outputs.scan(try_.out, site.stat_cache)
    if not try_.is_ours:  # then a part of the files may be elsewhere
        raise _robbed(action)
    if not files:
        raise TargetFailed(f"`{action.name}` left no files")
    record = Record(
        document=document,
        fingerprint=fingerprint.fingerprint(document),
        outputs=files,
        seconds=seconds,
        notes=report.notes,
    )
    _keep(site, action, record, try_)
    return record


def _step(site: Site, action: Action, given: Sequence[Read], try_: Work, report: EventReport) -> float:
    """Run the step to its end; how long it took."""
    last = work.before(site.layout, action.name)
    job = Job(
        name=action.name,
        step=action.step,
        params=action.told,
        inputs={read.name: read.folder / read.path for read in given},
        sources=action.sources,
        out=try_.out,
        scratch=try_.scratch,
        log=work.log_file(site.layout, action.name),
        root=site.layout.root,
        notes=read_notes(try_.notes) or (last.notes if last else {}),
    )
    site.sink(events.TargetStarted(target=action.name))
    started = site.clock()
    site.executor.run(action.where, job, report)
    return site.clock() - started


def _refuse_moved(site: Site, action: Action, given: Sequence[Read]) -> None:
    """Raise TargetFailed if an input was edited while the step ran: the record would promise what nobody did."""
    for read in given:
        if outputs.present(read.folder, read.files, site.stat_cache) != {f.path: f.sha256 for f in read.files}:
            raise TargetFailed(f"the input `{read.name}` of `{action.name}` was edited while it was read")


def _keep(site: Site, action: Action, record: Record, try_: Work) -> None:
    """Put the files of `out` into the store, and then the answer."""
    durable = _is_costly(record)
    for file in record.outputs:
        if site.store.use(file.sha256, file.size):
            continue
        if site.store.put(try_.out / file.path, site.stat_cache.digest, durable=durable) != file.sha256:
            raise TargetFailed(f"the output {file.path} of `{action.name}` changed after its step had ended")
    site.store.remember(record, durable=durable)


def _is_costly(record: Record) -> bool:
    return record.seconds > _LONG or sum(file.size for file in record.outputs) > _MUCH


def _robbed(action: Action) -> TargetFailed:
    return TargetFailed(
        f"another run took over `{action.name}` while this one worked on it",
        hint="the disk's locks do not hold, as on some network disks; let one run end before the next begins",
    )
