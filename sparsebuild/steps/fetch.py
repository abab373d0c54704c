"""Bring the locked files of one source: from the store, or again from where they came, checked by sha256."""

from __future__ import annotations

from sparsebuild import lock as locks
from sparsebuild.engine.job import Job, Report
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import LockOutOfDate
from sparsebuild.layout import ProjectLayout, cache_folder
from sparsebuild.providers import Context, fetch

__all__ = ["run"]


def run(job: Job, report: Report) -> None:
    """Put the files of the source `job.params["source"]` of `sparse.lock` under `job.out`."""
    layout = ProjectLayout(job.root)
    lock, name = locks.read(layout.lock), str(job.params["source"])
    source = lock.source(name) if lock else None
    if source is None:  # the lock was taken away or edited while we ran
        raise LockOutOfDate(f"sparse.lock has no source `{name}`", hint="run `sparsebuild lock`")
    context = Context(
        root=layout.root,
        store=Store(cache_folder()),
        digests=StatCache(layout.state / "stats.json"),
        temporary=cache_folder() / "temporary",
        report=report.log,
        progress=report.progress,
    )
    fetch(source, job.out, context)
