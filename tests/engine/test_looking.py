"""A run with nothing to do takes no lock and writes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparsebuild import events
from sparsebuild.engine import stat_cache
from sparsebuild.engine.held import held

FRESH = {"words": "fresh", "first": "fresh", "end": "fresh"}


def everything(*folders):
    """Every file and folder with all that a write would change."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return {path: (s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path in paths if (s := path.lstat())}


@pytest.fixture
def hashed(monkeypatch):
    """The files that are read to be hashed, by their names."""
    read = []
    real = stat_cache.file_digest
    monkeypatch.setattr(stat_cache, "file_digest", lambda path: (read.append(path.name), real(path))[1])
    return read


def test_no_byte_and_no_time_changes(workshop, chain, hashed):
    workshop.build(chain())
    before = everything(workshop.layout.root, workshop.cache)
    hashed.clear()
    assert workshop.build(chain()) == FRESH
    assert (everything(workshop.layout.root, workshop.cache), hashed) == (before, [])


def test_the_story_is_the_same(workshop, act):
    workshop.build([act("a", "write", text="x")])
    workshop.events.clear()
    workshop.build([act("a", "write", text="x")], clock=lambda: 0)
    assert workshop.events == [
        events.RunStarted(project="project", targets=("a",)),
        events.TargetDecided(target="a", verdict="fresh"),
        events.TargetFinished(target="a", outcome="fresh"),
        events.RunFinished(seconds=0, outcomes={"a": "fresh"}),
    ]


def test_it_waits_for_nobody(workshop, chain):
    workshop.build(chain())
    with held(workshop.layout, print, wait=True):
        assert workshop.build(chain(), wait=False) == FRESH


def test_touched_files_are_hashed_once_and_remembered(workshop, chain, hashed):
    workshop.build(chain())
    os.utime(workshop.layout.build / "words" / "text")
    workshop.build(chain())
    before = everything(workshop.layout.root)
    hashed.clear()
    workshop.build(chain())
    assert (everything(workshop.layout.root), hashed) == (before, [])


def test_neither_lock_nor_worker_nor_anything_slow_is_imported(workshop, act):
    workshop.build([act("a", "write", text="x")])
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from sparsebuild.engine.action import Action
from sparsebuild.engine.build import build
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.executors.dispatch import Dispatch
from sparsebuild.layout import ProjectLayout
layout = ProjectLayout(Path({str(workshop.layout.root)!r}))
outcomes = build(
    Graph([Action(name="a", step="write", folder="build/a", params={{"text": "x"}})]), layout=layout,
    store=Store(Path({str(workshop.cache)!r})), stat_cache=StatCache(layout.state / "stat-cache.json"),
    executor=Dispatch({{}}, layout), sink=lambda event: None)
print(outcomes, *({{"filelock", "secrets", "asyncio", "subprocess", "sqlite3"}} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "{'a': 'fresh'}\n"


def test_a_forced_target_is_something_to_do(workshop, chain):
    workshop.build(chain())
    assert workshop.build(chain(), force=["words"]) == {**FRESH, "words": "built"}
