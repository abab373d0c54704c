"""Actions to where they want to run."""

import os
from pathlib import Path

from sparsebuild.engine.action import Action
from sparsebuild.engine.build import build
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.executors.dispatch import Dispatch
from sparsebuild.layout import ProjectLayout


def test_each_action_runs_where_it_says(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    layout = ProjectLayout(tmp_path)
    actions = [
        Action(name=f"{where}-{n}", step="where", folder=f"build/{where}-{n}", where=where, params={"n": n})
        for n, where in enumerate(("inline", "inline", "worker", "worker"))
    ]
    build(
        Graph(actions),
        layout=layout,
        store=Store(tmp_path / "cache"),
        stat_cache=StatCache(tmp_path / "stats"),
        executor=Dispatch({"where": "odd_steps:where"}, layout),
        sink=lambda event: None,
    )
    pids = [int((tmp_path / a.folder / "where.json").read_text()[1:].split(",")[0]) for a in actions]
    assert pids[0] == pids[1] == os.getpid() != pids[2] == pids[3]
