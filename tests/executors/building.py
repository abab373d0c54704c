"""A run of its own, to be stopped from outside: `python building.py PROJECT [TARGET…]`. Prints each event.

All targets are worked on at once; they are `a` if none is named.
"""

import sys
from pathlib import Path

from sparsebuild.engine.action import Action
from sparsebuild.engine.build import build
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import SparsebuildError
from sparsebuild.executors.dispatch import Dispatch
from sparsebuild.layout import ProjectLayout

if __name__ == "__main__":
    layout = ProjectLayout(Path(sys.argv[1]))
    names = sys.argv[2:] or ["a"]
    try:
        build(
            Graph([Action(name=name, step="sleep", folder=f"build/{name}") for name in names]),
            layout=layout,
            store=Store(layout.root / "cache"),
            stat_cache=StatCache(layout.state / "stat-cache.json"),
            executor=Dispatch({"sleep": "odd_steps:sleep"}, layout),
            jobs=len(names),
            sink=lambda event: sys.stdout.write(f"{event}\n") and sys.stdout.flush(),
        )
    except SparsebuildError as error:
        sys.exit(error.exit_code)
