"""A small project whose steps write text: the engine knows no more of models than they do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sparsebuild import events
from sparsebuild.engine.action import Action, Input
from sparsebuild.engine.build import build
from sparsebuild.engine.explain import Decision, forecast
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.job import Job, Report
from sparsebuild.engine.record import Record, read
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import GateFailed
from sparsebuild.layout import ProjectLayout


def write(job: Job, report: Report) -> None:
    """Write each param to a file of its name."""
    for name, text in job.params.items():
        path = job.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(text))


def join(job: Job, report: Report) -> None:
    """All texts that are read, in upper case if `shout`, then `end`."""
    texts = [_text(path) for _, path in sorted(job.inputs.items())]
    joined = " ".join(texts)
    (job.out / "text").write_text((joined.upper() if job.params.get("shout") else joined) + job.params.get("end", ""))


def first_word(job: Job, report: Report) -> None:
    """Only the first word of the text, so that most changes end here."""
    (job.out / "text").write_text(_text(job.inputs["text"]).split()[0])


def gate(job: Job, report: Report) -> None:
    """A copy of the text, if it is short enough."""
    text = _text(job.inputs["text"])
    if len(text) > job.params["most"]:
        raise GateFailed(f"{len(text)} letters, promised <= {job.params['most']}")
    (job.out / "text").write_text(text)


def _text(path: Path) -> str:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return " ".join(file.read_text() for file in files)


class Calls:
    """An executor that calls functions and remembers which it called."""

    def __init__(self, steps: Mapping[str, Callable[[Job, Report], None]]) -> None:
        self.steps = dict(steps)
        self.jobs: list[Job] = []

    def run(self, where: str, job: Job, report: Report) -> None:
        self.jobs.append(job)
        self.steps[job.step](job, report)

    def close(self) -> None:
        pass


class Workshop:
    """One project, its cache, and what happened there."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.layout = ProjectLayout(root)
        self.cache = cache
        self.store = Store(cache)
        self.calls = Calls({"write": write, "join": join, "first-word": first_word, "gate": gate})
        self.events: list[events.Event] = []

    @property
    def stat_cache(self) -> StatCache:
        return StatCache(self.layout.state / "stat-cache.json")

    def build(self, actions: list[Action], *targets: str, **settings: Any) -> dict[str, events.Outcome]:
        settings = {"executor": self.calls, "sink": self.events.append, **settings}
        outcomes = build(
            Graph(actions), targets, layout=self.layout, store=self.store, stat_cache=self.stat_cache, **settings
        )
        return dict(outcomes)

    def forecast(self, actions: list[Action], *targets: str, **settings: Any) -> dict[str, Decision]:
        settings = {"layout": self.layout, "stat_cache": self.stat_cache, "store": self.store, **settings}
        decisions = forecast(Graph(actions), targets, **settings)
        return {decision.action: decision for decision in decisions}

    def why(self, actions: list[Action], name: str) -> list[str]:
        return [str(reason) for reason in self.forecast(actions)[name].reasons]

    def outcomes(self) -> Mapping[str, events.Outcome]:
        """Of the last run, also if it failed."""
        return next(event.outcomes for event in reversed(self.events) if isinstance(event, events.RunFinished))

    def text(self, path: str) -> str:
        return (self.layout.root / path).read_text()

    def record(self, name: str) -> Record | None:
        return read(self.layout.state / "records", name)


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files are written here, and waiting for the disk each time is for power cuts only: `kill -9` leaves
    the kernel alive. The tests of executors and the laws do wait."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "project").mkdir()
    return Workshop(tmp_path / "project", tmp_path / "cache")


@pytest.fixture
def act() -> Callable[..., Action]:
    """Make an action in few words: `act("b", "join", "a", "c/sub", end="!")` reads from `a` and `sub` of `c`."""
    return make_action


def make_action(name: str, step: str, *reads: str, folder: str = "", **params: Any) -> Action:
    inputs = []
    for read_ in reads:
        upstream, _, path = read_.partition("/")
        inputs.append(Input(name="text" if len(reads) == 1 else upstream, action=upstream, path=path))
    return Action(name=name, step=step, folder=folder or f"build/{name}", params=params, inputs=tuple(inputs))


@pytest.fixture
def chain(act: Callable[..., Action]) -> Callable[..., list[Action]]:
    """words → first → end: three actions that take their settings by name."""

    def make(words: str = "red green", end: str = "!") -> list[Action]:
        return [
            act("words", "write", text=words),
            act("first", "first-word", "words"),
            act("end", "join", "first", end=end),
        ]

    return make
