"""The engine could be lifted out and published as it is: with the words it is written in, and with nothing else."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import filelock

import sparsebuild

PACKAGE = Path(sparsebuild.__file__).parent
PROJECT = """
import sys
from pathlib import Path

from sparsebuild.engine.action import Action, Input
from sparsebuild.engine.build import build
from sparsebuild.engine.graph import Graph
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.layout import ProjectLayout


class Steps:
    def run(self, where, job, report):
        read = "".join((folder / "text").read_text() for folder in job.inputs.values())
        (job.out / "text").write_text(read + job.params["text"])

    def close(self):
        pass


layout = ProjectLayout(Path("project").absolute())
a = Action(name="a", step="write", folder="build/a", params={"text": "red"})
b = Action(name="b", step="write", folder="build/b", params={"text": " green"}, inputs=(Input(name="a", action="a"),))
for _ in range(2):
    stats = StatCache(layout.state / "stat-cache.json")
    outcomes = build(Graph([a, b]), layout=layout, store=Store(Path("store").absolute()), stat_cache=stats,
                     executor=Steps(), sink=lambda event: None)
    print(*outcomes.values(), (layout.root / "build/b/text").read_text())
parts = {name.split(".")[1] for name in sys.modules if name.startswith("sparsebuild.")}
print(*sorted(parts))
"""


def words():
    """The modules that the engine imports from the rest of the package, and those that they do."""
    found, waiting = set(), list((PACKAGE / "engine").glob("*.py"))
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sparsebuild"):
                names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
                files = {PACKAGE / f"{name.split('.')[1]}.py" for name in names if "." in name}
                new = {file for file in files if file.is_file()} - found
                found |= new
                waiting += new
    return found


def test_it_builds_where_nothing_else_of_us_is(tmp_path):
    alone = tmp_path / "alone" / "sparsebuild"
    shutil.copytree(PACKAGE / "engine", alone / "engine")
    (alone / "__init__.py").touch()
    for file in words():
        shutil.copy(file, alone)
    shutil.copytree(Path(filelock.__file__).parent, alone.parent / "filelock")  # all that it needs of others
    # -S: no site-packages, where the rest of us may be installed
    command = [sys.executable, "-S", "-c", PROJECT]
    (tmp_path / "project").mkdir()
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(alone.parent)}, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[:2] == ["built built red green", "fresh fresh red green"]
    assert {"manifest", "recipe", "lock", "pipeline", "cli", "ui"}.isdisjoint(done.stdout.splitlines()[2].split())
