"""One job done by several processes that train as one: workers of their own, found by each other as torchrun does it.

The worker that was given the job only starts the others, passes on what the first of them says, and ends them all as
soon as one fails, or it is ended itself.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

from sparsebuild.engine.job import Job, Level, Report
from sparsebuild.errors import SparsebuildError
from sparsebuild.executors.worker import Worker
from sparsebuild.layout import ProjectLayout

__all__ = ["rank_here", "run_together"]

_RANK = "SPARSEBUILD_RANK"  # our own, since others may have set torch's
_REFERENCE = "sparsebuild.steps.train:run"
_GRACE = 3.0  # seconds in which all processes notice that one has failed, and the cause is told rather than the effect


def rank_here() -> int | None:
    """Which of several processes this is, from 0; None if it trains alone or starts the others."""
    rank = os.environ.get(_RANK)
    return None if rank is None else int(rank)


def run_together(job: Job, report: Report, count: int) -> None:
    """Do `job` in `count` processes; raises what the first one raised that has a cause to tell."""
    layout, port = ProjectLayout(job.root), _free_port()
    workers = [Worker(layout, _environment(rank, count, port)) for rank in range(count)]
    errors: dict[int, BaseException] = {}

    def work(rank: int) -> None:
        try:
            workers[rank].run(job, _REFERENCE, report if rank == 0 else _Silent())
        except BaseException as error:
            errors[rank] = error

    threads = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(count)]
    try:
        for thread in threads:
            thread.start()
        _wait(threads, errors)
        told = dict(errors)  # what follows ends the others, which is no cause
    finally:
        for worker in workers:
            worker.close()
    if told:
        raise next((e for _, e in sorted(told.items()) if isinstance(e, SparsebuildError)), told[min(told)])


def _wait(threads: list[threading.Thread], errors: dict[int, BaseException]) -> None:
    """Until all have ended, or a while after one has failed."""
    deadline = float("inf")
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        time.sleep(0.05)
        if errors:
            deadline = min(deadline, time.monotonic() + _GRACE)


def _environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What torchrun would set; threads are set by the settings, which come later."""
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if Path("/sys/class/net/lo").exists() else {}
    return {
        _RANK: str(rank),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
        **loopback,
    }


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class _Silent:
    """The report of a process that says what the first one says already."""

    def progress(self, done: float, total: float, unit: str, **fields: float | str) -> None:
        pass

    def metric(self, name: str, value: float) -> None:
        pass

    def log(self, message: str, level: Level = "info") -> None:
        pass

    def note(self, key: str, value: object) -> None:
        pass
