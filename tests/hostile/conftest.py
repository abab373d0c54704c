"""A small project, and the command on it: in this process, or in one of its own whose cost is measured."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ground import CLI, STAND_INS

from sparsebuild.cli.main import run_command

project = CLI.project
sparsebuild_ = CLI.sparsebuild_


@dataclass(frozen=True)
class Said:
    """What a command said, and with which code it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(project, monkeypatch, capsys):
    """Run a command on the project, in this process."""
    for name in ("SPARSEBUILD_OFFLINE", "HF_HUB_OFFLINE"):  # `--offline` sets them for the rest of the process
        monkeypatch.setenv(name, "")

    def run(*words):
        monkeypatch.chdir(project)
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = run_command([*map(str, words)])
        finally:
            signal.signal(signal.SIGTERM, before)
        return Said(code, *capsys.readouterr())

    return run


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
    CLI.write_project(folder)
    (folder / "model" / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    subprocess.run([sys.executable, STAND_INS, "run"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def built(built_once, project):
    """A copy of it, in the place of the project."""
    shutil.rmtree(project)
    shutil.copytree(built_once, project)
    return project
