"""Bring the locked files of one source: from the store, or again from where they came, checked by sha256."""

from __future__ import annotations

from sparsebuild import lock as locks
from sparsebuild.engine.action import File, Source
from sparsebuild.engine.job import Job, Report
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import LockOutOfDate
from sparsebuild.layout import ProjectLayout, cache_folder
from sparsebuild.lock import LockedSource
from sparsebuild.providers import Context, fetch

__all__ = ["run"]


def run(job: Job, report: Report) -> None:
    """Put the files of the source `job.params["source"]`, as they are pinned for this job, under `job.out`."""
    layout, name = ProjectLayout(job.root), str(job.params["source"])
    source = _locked(layout, name, job.sources[name])
    context = Context(
        root=layout.root,
        store=Store(cache_folder()),
        digests=StatCache(layout.stats),
        temporary=cache_folder() / "temporary",
        report=report.log,
        progress=report.progress,
    )
    fetch(source, job.out, context)


def _locked(layout: ProjectLayout, name: str, pinned: Source) -> LockedSource:
    """What a lock says of the source with just these files: a lock that was edited while we ran is not believed."""
    for lock in locks.each(layout.lock_files()):
        source = lock.source(name)
        if source and {f.path: f.sha256 for f in source.files} == {
            f.path: f.sha256 for f in pinned if isinstance(f, File)
        }:
            return source
    raise LockOutOfDate(
        f"sparse.lock no longer has the source `{name}` with which this run began", hint="run `sparsebuild run` again"
    )
