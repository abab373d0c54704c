"""Building what is out of date: look, hold the project, and do one action after another, or several at a time.

To look takes no lock and writes nothing. Where all that is asked for is up to date, that is the whole story. Else the
project is held and each action is decided anew when its turn comes, since what it reads may be another by then:

    stand       what would it read, what was done, what is on the disk → reasons; none: it is fresh
    make        restore it or run its step, see `make.py`

With `jobs` > 1 helpers, threads, do just what the main thread does: take the next action from the schedule and bring
it up to date. Only the main thread hears signals. When one stops it, it ends the workers' processes, and the helpers
fall with their steps; one that is in the middle of a step in this process ends at the next word of that step.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sparsebuild import events
from sparsebuild.engine import outputs, work
from sparsebuild.engine.action import Action, File
from sparsebuild.engine.blame import blame_environment
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.held import Signals, Unheard, heard, held, stoppable, telling
from sparsebuild.engine.job import Executor
from sparsebuild.engine.make import Site, make, reads
from sparsebuild.engine.schedule import Schedule
from sparsebuild.engine.standing import stand
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import SparsebuildError
from sparsebuild.layout import ProjectLayout

__all__ = ["build"]

_Outputs = dict[str, tuple[File, ...]]  # by action

_PATIENCE = 1.0  # seconds that helpers get to notice that they were stopped, once their processes are gone


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
    jobs: int = 1,
) -> Mapping[str, events.Outcome]:
    """Bring `targets` and all that they need up to date; says what became of each. Closes `executor`.

    `force` runs what it names too, even where there is no reason to, and from the beginning. After a failure what rests
    on it is skipped, and everything else too unless `keep_going`. At the end the failure is raised: the step's own
    SparsebuildError, or what else it raised. Ctrl-C and SIGTERM raise Interrupted, and what `sink` raises is raised: it
    stops the run as they do. Up to `jobs` actions are worked on at once, of which no two share a resource; `sink` is
    never called twice at a time.
    """
    force = list(force)
    names, forced = graph.select(targets, also=force), frozenset(graph.all_named(force))
    tell = telling(sink)
    site = Site(layout=layout, store=store, stat_cache=stat_cache, executor=executor, sink=tell, clock=clock)
    with stoppable() as signals, contextlib.closing(executor), heard():
        with contextlib.suppress(OSError):  # what stands in the way will be told when something is put there
            store.know(layout.root)
        started = clock()
        if not forced and _is_all_fresh(graph, names, layout, stat_cache):
            return _tell_all_fresh(names, site, clock() - started)
        with held(layout, tell, wait=wait):
            return _Run(graph, names, site, signals, forced, keep_going).all(jobs)


def _is_all_fresh(graph: Graph, names: Sequence[str], layout: ProjectLayout, stat_cache: StatCache) -> bool:
    done: _Outputs = {}
    for name in names:
        try:
            standing = stand(graph[name], done, layout, stat_cache)
        except OSError:  # it is told when the turn of the action comes
            return False
        if standing.reasons or not standing.record:
            return False
        done[name] = standing.record.outputs
    _learn(graph, done, layout, stat_cache)
    return True


def _tell_all_fresh(names: Sequence[str], site: Site, seconds: float) -> Mapping[str, events.Outcome]:
    """The same story as that of a run that holds the project."""
    outcomes: dict[str, events.Outcome] = dict.fromkeys(names, "fresh")
    site.sink(events.RunStarted(project=site.layout.root.name, targets=tuple(names)))
    for name in names:
        site.sink(events.TargetDecided(target=name, verdict="fresh"))
        site.sink(events.TargetFinished(target=name, outcome="fresh"))
    site.sink(events.RunFinished(seconds=seconds, outcomes=outcomes))
    return outcomes


def _learn(
    graph: Graph,
    done: Mapping[str, tuple[File, ...]],
    layout: ProjectLayout,
    stat_cache: StatCache,
    new: Iterable[str] = (),
) -> None:
    """Have nothing left for the next run to hash: neither what came just now nor what was hashed too soon."""

    def ask(name: str) -> None:
        outputs.present(layout.root / graph[name].folder, done[name], stat_cache)

    with contextlib.suppress(OSError):  # it only spares time
        for name in new:
            ask(name)
        if stat_cache.calm():
            for name in done:
                ask(name)
        stat_cache.save()


class _Run:
    """The story of one run: what became of each action so far. Threads share it; `_turn` guards what they change."""

    def __init__(
        self,
        graph: Graph,
        names: Sequence[str],
        site: Site,
        signals: Signals,
        forced: frozenset[str],
        keep_going: bool,
    ) -> None:
        self._graph = graph
        self._names = names
        self._tell = _InTurn(site.sink)
        self._site = replace(site, sink=self._hear)
        self._signals = signals
        self._forced = forced
        self._keep_going = keep_going
        self._turn = threading.Condition()
        self._schedule = Schedule(graph, names)
        self._done: _Outputs = {}  # outputs of what is up to date
        self._outcomes: dict[str, events.Outcome] = {}
        self._errors: list[Exception] = []
        self._stopped: BaseException | None = None

    def all(self, jobs: int) -> Mapping[str, events.Outcome]:
        started = self._site.clock()
        self._tell(events.RunStarted(project=self._site.layout.root.name, targets=tuple(self._names)))
        try:
            with self._helpers(min(jobs, len(self._names)) - 1):
                self._work()
        finally:
            new = [name for name, outcome in self._outcomes.items() if outcome in ("built", "restored")]
            _learn(self._graph, dict(self._done), self._site.layout, self._site.stat_cache, new)
            outcomes = {name: self._outcomes.get(name, "skipped") for name in self._names}
            self._tell.last(events.RunFinished(seconds=self._site.clock() - started, outcomes=outcomes))
        if self._errors:
            raise _all_told(self._errors)
        return outcomes

    @contextlib.contextmanager
    def _helpers(self, count: int) -> Iterator[None]:
        """Have `count` threads work alongside the block; none of them does when it is left."""
        helpers = [threading.Thread(target=self._help, daemon=True) for _ in range(count)]
        try:
            for helper in helpers:
                helper.start()
            yield
            for helper in helpers:
                helper.join()
            if self._stopped:
                raise self._stopped
        except BaseException as error:
            self._stop(error)
            self._site.executor.close()
            deadline = time.monotonic() + _PATIENCE
            for helper in helpers:
                helper.join(max(0.0, deadline - time.monotonic()))
            raise

    def _help(self) -> None:
        try:
            self._work()
        except BaseException as error:  # the main thread raises it
            self._stop(error)

    def _work(self) -> None:
        """Bring one action after another up to date until nothing is left to begin."""
        while action := self._next():
            try:
                self._one(action)
            finally:
                with self._turn:
                    self._schedule.settle(action)
                    self._turn.notify_all()

    def _next(self) -> Action | None:
        with self._turn:
            while not self._schedule.is_over and not self._stopped:
                if action := self._schedule.take():
                    return action
                self._turn.wait()
        return None

    def _stop(self, error: BaseException) -> None:
        with self._turn:
            self._stopped = self._stopped or error
            self._turn.notify_all()

    def _hear(self, event: events.Event) -> None:
        """Pass on what a step says, unless there is no one to work for any more."""
        if self._stopped or self._signals.stop:
            raise KeyboardInterrupt
        self._tell(event)

    def _one(self, action: Action) -> None:
        started = self._site.clock()
        outcome: events.Outcome = "interrupted"
        message = ""
        try:
            outcome, message = self._outcome(action)
        finally:
            self._outcomes[action.name] = outcome
            seconds = self._site.clock() - started
            self._tell(events.TargetFinished(target=action.name, outcome=outcome, seconds=seconds, message=message))

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
            if self._stopped or self._signals.stop:  # its process was ended
                return "interrupted", ""
            return "failed", self._fail(action, error)

    def _fail(self, action: Action, error: Exception) -> str:
        site = self._site
        told = blame_environment(error, site.layout, site.store.root) if isinstance(error, OSError) else error
        message: str = told.args[0] if isinstance(told, SparsebuildError) else repr(told)
        self._errors.append(told)
        work.fail(site.layout, action.name, message)
        return message

    def _bring_up_to_date(self, action: Action) -> events.Outcome:
        forced = action.name in self._forced
        standing = stand(action, self._done, self._site.layout, self._site.stat_cache, forced=forced)
        reasons = tuple(str(reason) for reason in standing.reasons)
        self._tell(events.TargetDecided(target=action.name, verdict="stale" if reasons else "fresh", reasons=reasons))
        outcome: events.Outcome = "fresh"
        record = standing.record
        if not record or reasons:
            given = reads(self._graph, action, self._done, self._site.layout)
            outcome, record = make(self._site, action, given, forced=forced)
        self._done[action.name] = record.outputs
        return outcome


class _InTurn:
    """A sink that several threads may call; after the last event it is silent."""

    def __init__(self, sink: events.Sink) -> None:
        self._sink = sink
        self._lock = threading.RLock()
        self._ended = False

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            if self._ended:
                return
            try:
                self._sink(event)
            except Unheard:
                self._ended = True
                raise

    def last(self, event: events.Event) -> None:
        with self._lock:
            self(event)
            self._ended = True


def _all_told(errors: Sequence[Exception]) -> Exception:
    """One exception for all of them: our bug if there is one, else the first, with everybody's problems."""
    known = [error for error in errors if isinstance(error, SparsebuildError)]
    if len(known) < len(errors):
        return next(error for error in errors if not isinstance(error, SparsebuildError))
    known[0].problems = tuple(problem for error in known for problem in error.problems)
    return known[0]
