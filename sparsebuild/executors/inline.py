"""Steps in this process: for those that take no time and import nothing."""

from __future__ import annotations

import traceback

from sparsebuild.engine.job import Job, Report
from sparsebuild.executors.base import call, translate
from sparsebuild.layout import ProjectLayout

__all__ = ["Inline"]


class Inline:
    """Calls the step."""

    def __init__(self, layout: ProjectLayout) -> None:
        pass

    def run(self, job: Job, reference: str, report: Report) -> None:
        try:
            call(reference, job, report)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            told = translate(error, job, traceback.format_exc())
            raise told from (None if told is error else error)

    def close(self) -> None:
        pass
