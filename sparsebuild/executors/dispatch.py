"""Every action to where it wants to run, and every step's name to its code."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from sparsebuild.engine.action import Place
from sparsebuild.engine.job import Job, Report
from sparsebuild.executors import EXECUTORS
from sparsebuild.executors.base import Executor
from sparsebuild.layout import ProjectLayout
from sparsebuild.registry import lookup

__all__ = ["Dispatch"]


class Dispatch:
    """The engine's Executor, for several threads. `steps` maps the names of steps to "module:function"."""

    def __init__(self, steps: Mapping[str, str], layout: ProjectLayout) -> None:
        self._steps = steps
        self._layout = layout
        self._open: dict[Place, Executor] = {}
        self._lock = threading.Lock()

    def run(self, where: Place, job: Job, report: Report) -> None:
        self._executor(where).run(job, self._steps[job.step], report)

    def close(self) -> None:
        for executor in list(self._open.values()):
            executor.close()

    def _executor(self, where: Place) -> Executor:
        with self._lock:
            if where not in self._open:
                self._open[where] = lookup(EXECUTORS, where, "executor")(self._layout)
            return self._open[where]
