"""What an executor is: somewhere to run one step after another."""

from __future__ import annotations

import re
from typing import Protocol

from sparsebuild.engine.blame import blamed_cache, is_full, no_space
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import SparsebuildError, TargetFailed
from sparsebuild.layout import ProjectLayout
from sparsebuild.registry import load

__all__ = ["Executor", "InternalStepError", "call", "translate"]


class Executor(Protocol):
    """One variant, made from the project's layout; `reference` is the step's "module:function".

    Several threads may `run` jobs at once. One of them may `close` meanwhile: that ends the others' jobs too, as far as
    they run in processes of their own.
    """

    def __init__(self, layout: ProjectLayout) -> None: ...

    def run(self, job: Job, reference: str, report: Report) -> None:
        """Do `job` to the end.

        Raises the step's own SparsebuildError; TargetFailed where its process died; InternalStepError for anything
        else. Where a signal raises in here, nothing of the step runs any more when that leaves.
        """

    def close(self) -> None:
        """Leave no process behind; another `run` may follow."""


# What is written in Rust, as safetensors is, has an error of its own and says so in words: ENOSPC or EDQUOT.
_FULL = re.compile(r"\(os error (28|122)\)")


class InternalStepError(Exception):
    """A step raised what it should not have: our bug. The message is its traceback."""


def call(reference: str, job: Job, report: Report) -> None:
    """Import the step and let it work."""
    load(reference)(job, report)


def translate(error: BaseException, job: Job, traceback: str) -> Exception:
    """What a step raised, as a run understands it."""
    if isinstance(error, SparsebuildError):
        return error
    if (isinstance(error, OSError) and is_full(error)) or _FULL.search(str(error)):
        return no_space(f"`{job.name}`", job.out)
    if isinstance(error, OSError) and (told := blamed_cache(error)):
        return told
    if isinstance(error, MemoryError):
        return TargetFailed(f"`{job.name}` ran out of memory")
    return InternalStepError(traceback)
