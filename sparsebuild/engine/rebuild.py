"""Building a target a second time, beside the first, to see whether the same comes out.

Nothing is taken from the store but pinned sources, nothing goes there, and neither `build/` nor a record is touched:
all work is in .sparsebuild/verify/<name>/, which stays for a look if something else came out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsebuild import events
from sparsebuild.atomic import refuse_links
from sparsebuild.engine import outputs, unlike
from sparsebuild.engine import record as records
from sparsebuild.engine.action import JSON, Action
from sparsebuild.engine.blame import blamed
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.held import heard, held, stoppable, telling
from sparsebuild.engine.job import Executor, Job
from sparsebuild.engine.record import Record
from sparsebuild.engine.report import EventReport
from sparsebuild.engine.staleness import OF_OUTPUTS
from sparsebuild.engine.standing import stand
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.engine.verify import refuse, verify
from sparsebuild.engine.work import delete, records_folder
from sparsebuild.errors import Differs, Problem, UserError
from sparsebuild.layout import ProjectLayout

__all__ = ["TOLERANCE", "Rebuilt", "rebuild", "refuse_unlike"]

TOLERANCE = 0.02  # of numbers, where bytes may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What became of one target."""

    action: str
    by: str  # what was compared: "bytes" or "numbers"
    because: str = ""  # why not bytes
    seconds: float
    unlike: tuple[str, ...] = ()  # a sentence for each difference
    folder: str = ""  # relative to the project: what came out, where that was something else


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    layout: ProjectLayout
    executor: Executor
    sink: events.Sink
    tolerance: float


def rebuild(
    graph: Graph,
    targets: Iterable[str],
    *,
    layout: ProjectLayout,
    store: Store,
    stat_cache: StatCache,
    executor: Executor,
    sink: events.Sink,
    tolerance: float = TOLERANCE,
    wait: bool = True,
) -> tuple[Rebuilt, ...]:
    """Build `targets`, without what they need, again, and compare. Closes `executor`.

    What they read, and what they are compared with, is verified first: Differs is raised if that is not as recorded,
    and UserError where a target is not up to date. What a step raises rises, as in `build`.
    """
    asked = graph.all_named(targets)
    names = [name for name in graph.names if name in asked]
    around = {near for name in names for near in (name, *graph.needs(name))}
    tell = telling(sink)
    with stoppable(), heard(), held(layout, tell, wait=wait), contextlib.closing(executor):
        standing = {name: _standing(graph, graph[name], layout, stat_cache) for name in names}
        actions = [graph[name] for name in graph.names if name in around]
        refuse(verify(actions, layout=layout, store=store, stat_cache=stat_cache, sink=tell))
        site = _Site(layout=layout, executor=executor, sink=tell, tolerance=tolerance)
        with blamed(layout, store.root):
            return tuple(_rebuild(graph, graph[name], standing[name], site) for name in names)


def refuse_unlike(found: Sequence[Rebuilt]) -> None:
    """Raise Differs if something else came out, with one problem a target: its first difference."""
    problems = [_problem(rebuilt) for rebuilt in found if rebuilt.unlike]
    if problems:
        raise Differs(*problems)


def _standing(graph: Graph, action: Action, layout: ProjectLayout, stat_cache: StatCache) -> Record:
    """The record to compare with; raises UserError where there is none of this very question."""
    needed = {name: records.read(records_folder(layout), name) for name in graph.needs(action.name)}
    done = {name: record.outputs if record else None for name, record in needed.items()}
    found = stand(action, done, layout, stat_cache)
    # What `verify` tells better is left out.
    reasons = [str(reason) for reason in found.reasons if reason.kind not in OF_OUTPUTS]
    reasons += [f"`{name}` was not built" for name, record in needed.items() if record is None]
    if found.record is None or reasons:
        raise UserError(
            f"`{action.name}` is not up to date, so there is nothing to compare with: {reasons[0]}",
            hint=f"run `sparsebuild run {action.name}` first",
        )
    return found.record


def _rebuild(graph: Graph, action: Action, record: Record, site: _Site) -> Rebuilt:
    home = site.layout.state / "verify" / action.name
    refuse_links(site.layout.root, home)
    delete(home)
    for folder in ("out", "scratch"):
        (home / folder).mkdir(parents=True)
    seconds, notes = _step(graph, action, record, home, site)
    because = _inexact(action, record.notes, notes)
    if because:
        site.sink(events.Log(target=action.name, message=f"{because}: its numbers are compared, not its bytes"))
    sentences = _compare(site, action, record, home / "out", by_bytes=not because)
    if not sentences:
        delete(home)
    return Rebuilt(
        action=action.name,
        by="numbers" if because else "bytes",
        because=because,
        seconds=seconds,
        unlike=sentences,
        folder=(home / "out").relative_to(site.layout.root).as_posix() if sentences else "",
    )


def _step(graph: Graph, action: Action, record: Record, home: Path, site: _Site) -> tuple[float, Mapping[str, JSON]]:
    """Run the step from its beginning: how long it took and what it noted."""
    log = home / "log"
    log.touch()
    root = site.layout.root
    job = Job(
        name=action.name,
        step=action.step,
        params=action.told,
        inputs={i.name: root / graph[i.action].folder / i.path for i in action.inputs},
        sources=action.sources,
        out=home / "out",
        scratch=home / "scratch",
        log=log,
        root=root,
        notes=record.notes,
        repeat=True,
    )
    report = EventReport(action.name, site.sink, home / "notes.json", log)
    site.sink(events.TargetStarted(target=action.name))
    started = time.monotonic()
    outcome: events.Outcome = "failed"
    try:
        site.executor.run(action.where, job, report)
        outcome = "built"
    finally:
        seconds = time.monotonic() - started
        site.sink(events.TargetFinished(target=action.name, outcome=outcome, seconds=seconds))
    return seconds, report.notes


def _inexact(action: Action, before: Mapping[str, JSON], now: Mapping[str, JSON]) -> str:
    """Why other bytes would mean nothing; empty where they have to be the same."""
    if not action.exact:
        return "the step does not promise the same bytes each time"
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return ", ".join(f"`{key}` was {before.get(key, 'none')}, is {now.get(key, 'none')}" for key in changed)


def _compare(site: _Site, action: Action, record: Record, out: Path, *, by_bytes: bool) -> tuple[str, ...]:
    files = outputs.scan(out, StatCache(out.parent / "stats.json"))
    before, now = ({file.path: file.sha256 for file in which} for which in (record.outputs, files))
    paths = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    folder = site.layout.root / action.folder
    if by_bytes:
        return tuple(unlike.by_bytes(folder, out, paths))
    return tuple(unlike.by_numbers(folder, out, paths, site.tolerance))


def _problem(rebuilt: Rebuilt) -> Problem:
    more = f" (and {len(rebuilt.unlike) - 1} more)" if len(rebuilt.unlike) > 1 else ""
    return Problem(
        message=f"`{rebuilt.action}` came out different when it was built again: {rebuilt.unlike[0]}{more}",
        hint=f"what came out is in {rebuilt.folder}",
    )
