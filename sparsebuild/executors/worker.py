"""Steps in one child process, which lives as long as the run: imports are paid once, and a crash is not ours.

The child is the head of a session of its own, so that Ctrl-C in a terminal reaches only us and we decide how it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sparsebuild
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


class Worker:
    """Holds at most one child, started at the first job."""

    def __init__(self, layout: ProjectLayout) -> None:
        self._lock = worker_lock(layout)
        self._child: _Child | None = None

    def run(self, job: Job, reference: str, report: Report) -> None:
        if self._child is None:
            self._child = _Child(job.root, job.log, self._lock)
        try:
            self._follow(self._child, job, reference, report)
        except BaseException:
            # Also when a step merely failed: the next one deserves a process in a known state.
            self.close()
            raise

    def close(self) -> None:
        child, self._child = self._child, None
        if child:
            child.stop()

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

    def __init__(self, root: Path, log: Path, lock: Path) -> None:
        jobs, self._jobs = os.pipe()
        self._events, events = os.pipe()
        command = [sys.executable, "-P", "-X", "faulthandler", "-m", "sparsebuild.executors.worker_main"]
        with log.open("ab") as output:  # until the first job says where to print
            self._process = subprocess.Popen(
                [*command, str(jobs), str(events), str(os.getpid()), str(lock)],
                cwd=root,
                env={**_PATIENT, **os.environ, "PYTHONPATH": _python_path(root)},
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

    def stop(self) -> None:
        """End it and whatever it started: politely, then not. A second Ctrl-C ends the politeness."""
        try:
            self._process.terminate()
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
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
