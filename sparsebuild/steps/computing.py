"""How every step that computes begins: with the settings of its job, the same on every try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsebuild.engine.job import Job, Report

if TYPE_CHECKING:
    from sparsebuild.training.settings import Settings

__all__ = ["begin"]


def begin(job: Job, report: Report, recorded_threads: int | None = None) -> tuple[Settings, int]:
    """Set torch up as `job.params` say; the settings, and the number of threads.

    `threads = "auto"` is `recorded_threads` where an earlier try is continued, and what the record notes where the
    job repeats a build, since sums depend on it. What it became is noted in the record, with the kind of CPU.
    """
    from sparsebuild.training.determinism import configure, cpu_kind, gpu_kind
    from sparsebuild.training.memory import keep_freed_memory
    from sparsebuild.training.settings import Settings

    settings = Settings.read(job.params)
    if job.repeat:
        recorded_threads = recorded_threads or job.notes.get("threads")
    threads = settings.thread_count(recorded_threads)
    configure(threads, settings.float32_matmul_precision)
    keep_freed_memory()
    report.note("threads", threads)
    report.note("cpu", cpu_kind())
    if gpu := gpu_kind():
        report.note("gpu", gpu)
    return settings, threads
