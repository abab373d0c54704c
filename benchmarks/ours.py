"""The pipeline that is named in the file `pipeline` of this folder, built by our engine as a whole process.

The engine alone, with steps in this process; `startup.py` times the `sparsebuild` command.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from pipelines import Stage, pipeline

from sparsebuild.engine.action import Action, Input
from sparsebuild.engine.build import build
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.job import Job, Report
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.layout import ProjectLayout

BLOCK = 1 << 20
# That each step takes besides; then it writes down how long it took.
SECONDS = float(os.environ.get("BENCH_SECONDS", 0))


def main() -> None:
    """Bring the pipeline in this folder up to date; its cache lies beside it."""
    layout = ProjectLayout(Path.cwd())
    stat_cache = StatCache(layout.stats)
    build(
        Graph(action(stage, stat_cache) for stage in pipeline(Path("pipeline").read_text())),
        layout=layout,
        store=Store(layout.root.parent / "cache"),
        stat_cache=stat_cache,
        executor=Steps(),
        sink=lambda event: None,
    )


def action(stage: Stage, stat_cache: StatCache) -> Action:
    return Action(
        name=stage.name,
        step=stage.how,
        folder=f"build/{stage.name}",
        inputs=tuple(Input(name=name, action=name, path="data") for name in stage.reads),
        sources={path: stat_cache.digest(Path(path)) for path in stage.sources},
        where="inline",
    )


class Steps:
    """Does what the command lines of the others do."""

    def run(self, where: str, job: Job, report: Report) -> None:
        started = time.perf_counter()
        self._work(job)
        if SECONDS:
            time.sleep(SECONDS)
            with Path(os.environ["BENCH_TIMES"]).open("a") as times:
                times.write(f"{time.perf_counter() - started}\n")

    def close(self) -> None:
        pass

    def _work(self, job: Job) -> None:
        with Path("ran").open("a") as ran:
            ran.write(f"{job.name}\n")
        with (job.out / "data").open("wb") as out:
            for path in [*map(Path, job.sources), *job.inputs.values()]:
                with path.open("rb") as file:
                    if job.step == "copy":
                        while block := file.read(BLOCK):
                            out.write(block)
                    elif job.step == "head":
                        out.write(file.read(4096))
                    else:
                        out.writelines(line for line in file if not line.startswith(b"#"))


if __name__ == "__main__":
    main()
