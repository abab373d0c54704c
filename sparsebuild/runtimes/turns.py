"""Several files in several runtimes, timed in turns: what slows the machine for a while slows all of them alike.

Each file in each runtime has a process of its own, so that its memory is its own too; while one computes the others
wait. A turn of a quick one is a run that is not timed, which brings the model back into the caches, and a few that are;
of a slow one, which fills the caches itself, one run.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sparsebuild.errors import TargetFailed
from sparsebuild.runtimes import RUNTIMES

__all__ = ["Entrant", "Feed", "in_turns", "opened", "percentile", "rotated"]

_QUICK = 0.05  # seconds of a run
_TIMED = 3  # runs of a turn of a quick one
_FEWEST, _MOST = 5, 100  # turns
_FOLDERS = re.compile(r"(?<![\w.])(?:/[^/\s:'\"]+)+/(?=[^/\s])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What is computed: batches of lists of pieces. One batch is a shape; several are sentences, each timed once."""

    name: str  # "32x128", "sentences"
    batches: Sequence[Sequence[Sequence[int]]]

    @property
    def sentences(self) -> int:
        return sum(len(batch) for batch in self.batches)


@dataclass(slots=True, kw_only=True)
class Entrant:
    """A file in a runtime, open in its process."""

    model: str  # how the file is called: "export", "fp32"
    runtime: str
    version: str = ""
    missing: str = ""  # why the runtime is not there
    failed: str = ""  # what it said when it could not load or run the file
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def ask(self, **request: Any) -> Mapping[str, Any]:
        """One request to the process and its answer; raises TargetFailed where it has gone."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise TargetFailed(
                f"{self.runtime} went away while it had `{self.model}`, exit code {self.process.wait()}",
                hint="the log has what it said; leave it out with `bench.runtimes`",
            )
        answer: dict[str, Any] = json.loads(line)
        self.failed = _without_folders(answer.get("failed", self.failed))
        self.missing = _without_folders(answer.get("missing", self.missing))
        return answer

    @property
    def runs(self) -> bool:
        return not (self.missing or self.failed)


@contextlib.contextmanager
def opened(
    files: Sequence[tuple[str, str, Path]],  # runtime, name, file
    interpreters: Mapping[str, str],  # runtime → the Python that has it
    threads: int,
    log: IO[str],
) -> Iterator[list[Entrant]]:
    """Each file, opened in its runtime; none of the processes outlives the block."""
    with contextlib.ExitStack() as stack:
        entrants = []
        for runtime, name, path in files:
            entrant = Entrant(model=name, runtime=runtime)
            entrants.append(entrant)
            if missing := next((e.missing for e in entrants if e.runtime == runtime and e.missing), ""):
                entrant.missing = missing
                continue
            _start(entrant, interpreters[runtime], threads, log, stack)
            if entrant.runs:
                entrant.version = entrant.ask(open=str(path), threads=threads).get("version", "")
        yield entrants


def in_turns(
    entrants: Sequence[Entrant],
    feed: Feed,
    seconds: float,  # to spend on each entrant, about
    progress: Callable[[float], None] = lambda share: None,
) -> list[list[float]]:
    """Seconds of every timed run, in the order of the turns; empty for who cannot run. Whoever fails is left out."""
    found: list[list[float]] = [[] for _ in entrants]
    for entrant in entrants:
        if entrant.runs:
            entrant.ask(feed=feed.batches)
    many = len(feed.batches)
    repeat, warm = 1, True
    turn, turns = 0, max(many, 1)
    while turn < turns:
        for place in rotated(len(entrants), turn):
            if entrants[place].runs:
                answer = entrants[place].ask(time=turn % many, repeat=repeat, warm=warm)
                found[place] += answer.get("seconds", [])
        turn += 1
        if turn == 1 and many == 1:
            slowest = max((sum(times) for times in found), default=0.0)
            warm = slowest < _QUICK
            repeat = _TIMED if warm else 1
            turns = min(max(int(seconds / (slowest * (repeat + warm) or 1)), _FEWEST), _MOST)
        progress(turn / turns)
    return [times if entrant.runs else [] for entrant, times in zip(entrants, found, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies, between its neighbours as numpy has it."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def rotated(count: int, turn: int) -> list[int]:
    """Who comes when: each is first once in `count` turns, since who follows a slow one finds other caches."""
    return [(turn + place) % count for place in range(count)]


def _start(entrant: Entrant, python: str, threads: int, log: IO[str], stack: contextlib.ExitStack) -> None:
    here = Path(__file__).parent
    variant = here / RUNTIMES[entrant.runtime]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        process = subprocess.Popen(
            [python, "-I", str(here / "worker.py"), str(variant)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    except OSError as error:
        entrant.missing = f"its interpreter cannot be started: {error.strerror}"
        return
    entrant.process = process
    stack.callback(_stop, process)


def _without_folders(said: str) -> str:
    """What is kept and shown has no path of this machine."""
    return _FOLDERS.sub("", said)


def _stop(process: subprocess.Popen[str]) -> None:
    """It ends when its input does; one that still computes is killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
