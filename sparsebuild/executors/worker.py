"""Steps in child processes, which live as long as the run: imports are paid once, and a crash is not ours.

There is one for each job that runs at a time. A child is the head of a session of its own, so that Ctrl-C in a terminal
reaches only us and we decide how it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sparsebuild
from sparsebuild.concealed import without_tokens
from sparsebuild.engine.held import worker_lock
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import Problem, TargetFailed
from sparsebuild.executors import wire
from sparsebuild.layout import ProjectLayout

__all__ = ["Worker"]

_PATIENCE = 8  # seconds from asking the child to end to making it end


# Threads of numeric libraries wait for each other by spinning, unless told otherwise. As soon as another process wants
# one of the cores, those that spin hold up the one that has work: a training step ran at a fifth of its speed.
_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
# Sources were fetched by us: a step asks nobody, and has no use for tokens.
_OFFLINE = {"HF_HUB_OFFLINE": "1"}


class Worker:
    """Holds a child for each job that runs; one that is done waits for the next job."""

    def __init__(self, layout: ProjectLayout, environment: Mapping[str, str] | None = None) -> None:
        self._lock = worker_lock(layout)
        self._environment = environment or {}
        self._idle: list[_Child] = []
        self._busy: list[_Child] = []  # several threads may run jobs; adding and removing is atomic

    def run(self, job: Job, reference: str, report: Report) -> None:
        child = self._child(job)
        try:
            self._follow(child, job, reference, report)
        except BaseException as error:
            # A step that merely failed ends its process too: the next one deserves one in a known state. At a signal
            # no job goes on, and all end within one time of patience.
            if isinstance(error, Exception):
                _end([child])
            else:
                self.close()
            self._busy.remove(child)
            child.release()
            raise
        self._busy.remove(child)
        self._idle.append(child)

    def close(self) -> None:
        idle, self._idle = self._idle, []
        _end([*idle, *self._busy])
        for child in idle:
            child.release()

    def _child(self, job: Job) -> _Child:
        child = self._waiting() or _Child(job.root, job.log, self._lock, self._environment)
        self._busy.append(child)
        return child

    def _waiting(self) -> _Child | None:
        """One that is idle; those that were ended meanwhile, as a system short of memory does, are no use."""
        while True:
            try:
                child = self._idle.pop()
            except IndexError:
                return None
            if not child.has_ended(within=0):
                return child
            child.release()

    def _follow(self, child: _Child, job: Job, reference: str, report: Report) -> None:
        child.send({"job": job.to_json(), "reference": reference})
        for message in child.messages():
            match message["say"]:
                case "done":
                    return
                case "failed":
                    raise wire.error_from_json(message["error"])
                case said:
                    getattr(report, said)(*message["args"], **message.get("fields", {}))
        raise _death(job, child.wait())


class _Child:
    """The process and the two pipes."""

    def __init__(self, root: Path, log: Path, lock: Path, environment: Mapping[str, str]) -> None:
        jobs, self._jobs = os.pipe()
        self._events, events = os.pipe()
        command = [sys.executable, "-P", "-X", "faulthandler", "-m", "sparsebuild.executors.worker_main"]
        with log.open("ab") as output:  # until the first job says where to print
            self._process = subprocess.Popen(
                [*command, str(jobs), str(events), str(os.getpid()), str(lock)],
                cwd=root,
                env={
                    **_PATIENT,
                    **without_tokens(os.environ),
                    **_OFFLINE,
                    **environment,
                    "PYTHONPATH": _python_path(root),
                },
                pass_fds=(jobs, events),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        os.close(jobs)
        os.close(events)
        self._unread = b""

    def send(self, message: dict[str, Any]) -> None:
        """Give it work; a dead child is noticed by `messages`."""
        line = memoryview(wire.encode(message))
        with contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._jobs, line) :]

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it says, until it dies."""
        while chunk := self._read():
            *lines, self._unread = (self._unread + chunk).split(b"\n")
            yield from map(wire.decode, lines)

    def wait(self) -> int:
        return self._process.wait()

    def ask_to_end(self) -> None:
        self._process.terminate()

    def has_ended(self, within: float) -> bool:  # seconds
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        return True

    def make_end(self) -> None:
        """End it with whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def release(self) -> None:
        """Close the pipes; for the one thread that reads them."""
        os.close(self._jobs)
        os.close(self._events)

    def _read(self) -> bytes:
        # A process that a step started may keep the pipe open after the child's death, so waiting for the end of the
        # pipe is not enough. What the child said before it died is still read.
        while not self._has_said(1.0):
            if self._process.poll() is not None and not self._has_said(0):
                return b""
        return os.read(self._events, 1 << 16)

    def _has_said(self, within: float) -> bool:  # seconds
        return bool(select.select([self._events], [], [], within)[0])


def _end(children: Sequence[_Child]) -> None:
    """End them and whatever they started: politely, then not. A second Ctrl-C ends the politeness."""
    deadline = time.monotonic() + _PATIENCE
    try:
        for child in children:
            child.ask_to_end()
        for child in children:
            child.has_ended(max(0.0, deadline - time.monotonic()))
    finally:
        for child in children:
            child.make_end()


def _python_path(root: Path) -> str:
    """Our own search path, so that the child finds what we found; without the project, whose files are not code."""
    home = str(Path(sparsebuild.__file__).parents[1])
    return os.pathsep.join(entry for entry in sys.path if entry and (entry != str(root) or entry == home))


def _death(job: Job, code: int) -> TargetFailed:
    log = job.log.relative_to(job.root).as_posix()
    ending = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    memory = "; the system may have run out of memory" if code == -signal.SIGKILL else ""
    last = job.log.read_text(errors="replace").splitlines()[-10:]
    return TargetFailed(
        Problem(
            message=f"the process of `{job.name}` {ending}",
            frame="\n".join(f"  | {line}" for line in last),
            hint=f"what it printed is in {log}{memory}",
        )
    )
