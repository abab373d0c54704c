"""A small project, and the command on it: in this process, or in one of its own whose cost is measured."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparsebuild.cli.main import run_command


def loaded(path):
    """A file as a module; there are several `conftest.py`."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CLI = loaded(Path(__file__).parents[1] / "cli" / "conftest.py")
project = CLI.project
sparsebuild_ = CLI.sparsebuild_

STAND_INS = Path(__file__).parents[1] / "cli" / "stand_ins.py"


@dataclass(frozen=True)
class Said:
    """What a command said, and with which code it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(project, monkeypatch, capsys):
    """Run a command on the project, in this process."""
    monkeypatch.chdir(project)

    def run(*words):
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


@pytest.fixture
def costing(project):
    """Run a command on the project in a process of its own."""

    def run(*words):
        with (project / "err").open("w+") as err:
            command = [sys.executable, "-m", "sparsebuild", *map(str, words)]
            process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=err)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)  # or Popen would wait for it again
            err.seek(0)
            taken = usage.ru_utime + usage.ru_stime
            return Cost(process.returncode, err.read(), taken, usage.ru_maxrss / 1000)

    return run


@pytest.fixture
def built(project):
    """The project, built in no time: the steps only make their figures up."""
    subprocess.run([sys.executable, STAND_INS, "run"], cwd=project, check=True, capture_output=True)
    return project


def everything(*folders):
    """Each file, folder and link below `folders`, with its bytes and times."""
    found = {}
    for path in sorted(path for folder in folders for path in (folder, *folder.rglob("*"))):
        about = path.lstat()
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[path] = (about.st_mode, about.st_mtime_ns, about.st_ctime_ns, data)
    return found


@pytest.fixture
def quick(monkeypatch):
    """A moment later, so that whatever is written from now on has another time."""
    time.sleep(0.02)
