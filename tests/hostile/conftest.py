"""A small project, and the command on it: in this process, or in one of its own whose cost is measured."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ground import CLI

project = CLI.project
process = CLI.process
sparsebuild_ = CLI.sparsebuild_


@pytest.fixture
def say(project):
    """Run a command on the project, in this process."""
    return lambda *words: CLI.here(*words, cwd=project)


@dataclass(frozen=True)
class Cost:
    """What a process said and took."""

    code: int
    err: str
    seconds: float  # of CPU
    megabytes: float  # of memory at once, at most


# What a process took is told to its parent, which must be a small one: a child begins as a copy of it.
MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000]))
"""


@pytest.fixture
def costing(project):
    """Run a command on the project in a process of its own."""

    def run(*words):
        command = [sys.executable, "-c", MEASURED, sys.executable, "-m", "sparsebuild", *words]
        told = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True, timeout=120)
        return Cost(*json.loads(told.stdout))

    return run


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    """A project that was built in no time: the steps only make their figures up."""
    folder = tmp_path_factory.mktemp("built")
    CLI.write_project(folder, CLI.NO_TENSORS)
    assert CLI.made_up(folder).code == 0
    return folder


@pytest.fixture
def built(built_once, project):
    """A copy of it, in the place of the project."""
    shutil.rmtree(project)
    shutil.copytree(built_once, project)
    return project
