"""The worker process: does the jobs that come down a pipe, and never outlives its parent.

Started by `worker.py` as `python -P -m sparsebuild.executors.worker_main JOBS EVENTS PARENT LOCK`: two file
descriptors, the parent's process id, and the file to hold while we live.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from sparsebuild.engine.action import JSON
from sparsebuild.engine.held import take_part
from sparsebuild.engine.job import Job, Level
from sparsebuild.executors import wire
from sparsebuild.executors.base import call, translate

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(jobs: int, events: int, parent: int, lock: Path) -> None:
    """Do jobs until the pipe `jobs` ends."""
    _die_with_parent()
    with take_part(lock):  # before the parent is looked for: a run that comes after it waits for this lock
        if os.getppid() != parent:
            return
        waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(os.fdopen(jobs, "rb"), waiting), daemon=True).start()
        while True:
            message = wire.decode(waiting.get())
            _do(Job.from_json(message["job"]), message["reference"], _PipeReport(events))


def _do(job: Job, reference: str, report: _PipeReport) -> None:
    _print_to(job.log)
    try:
        call(reference, job, report)
    except BaseException as error:
        told = translate(error, job, traceback.format_exc())
        report.end({"say": "failed", "error": wire.error_to_json(told)})
    else:
        report.end({"say": "done"})


class _PipeReport:
    """The report of one job, a line for each call; after the end it is silent, whatever threads the step left."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._ended = False

    def progress(self, done: float, total: float, unit: str, **fields: float | str) -> None:
        self.send({"say": "progress", "args": [done, total, unit], "fields": fields})

    def metric(self, name: str, value: float) -> None:
        self.send({"say": "metric", "args": [name, value]})

    def log(self, message: str, level: Level = "info") -> None:
        self.send({"say": "log", "args": [message, level]})

    def note(self, key: str, value: JSON) -> None:
        self.send({"say": "note", "args": [key, value]})

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            if not self._ended:
                self._write(message)

    def end(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._ended = True
            self._write(message)

    def _write(self, message: dict[str, Any]) -> None:
        line = memoryview(wire.encode(message))
        while line:  # a pipe may take a part only
            line = line[os.write(self._pipe, line) :]


def _read(stream: BinaryIO, waiting: queue.SimpleQueue[bytes]) -> None:
    for line in stream:
        waiting.put(line)
    # The parent is done with us or dead. Nothing needs tidying: what we wrote stands where nobody trusts it yet.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.getpid(), signal.SIGKILL)  # with the processes that a step may have started
    os._exit(1)


def _print_to(log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _die_with_parent() -> None:
    # The pipe tells us too, but only once Python gets to run, and a long call into C can keep it from that.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
