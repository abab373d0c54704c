"""Stopping a run from outside: nothing of it goes on, and the next run finishes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def start(project, *names):
    """A run in a process of its own, up to the moment at which all its steps sleep."""
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    run = subprocess.Popen(
        [sys.executable, HERE / "building.py", project, *names],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in names or ["a"]:
        while "asleep" not in (line := run.stdout.readline()):
            assert line, "the run ended before its step began"
    return run


def pids(project, name="a"):
    return json.loads(next((project / f".sparsebuild/work/{name}").glob("*/notes.json")).read_text())["pids"]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def outliving(*pids):
    """Those that go on: one that was killed may take a moment to go on a machine with much to do."""
    deadline = time.monotonic() + 5
    while (alive := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
    ids=["SIGTERM", "SIGINT", "SIGKILL"],
)
def test_a_stopped_run_takes_its_worker_along(tmp_path, number, code):
    run = start(tmp_path)
    worker, other = pids(tmp_path)
    os.kill(run.pid, number)
    assert run.wait(10) == code
    assert outliving(worker) == []
    if is_alive(other):  # only a killed run cannot take those along that its step started
        assert number == signal.SIGKILL
        os.kill(other, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
def test_a_stopped_run_takes_all_its_workers_along(tmp_path, number, code):
    run = start(tmp_path, "a", "b", "c")
    children = [pid for name in "abc" for pid in pids(tmp_path, name)]
    os.kill(run.pid, number)
    told = run.stdout.read()
    assert (run.wait(10), outliving(*children)) == (code, [])
    assert "outcomes={'a': 'interrupted', 'b': 'interrupted', 'c': 'interrupted'}" in told.splitlines()[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_second_ctrl_c_stops_at_once(tmp_path):
    (tmp_path / "deaf").touch()
    run = start(tmp_path, "a", "b")
    children = [pid for name in "ab" for pid in pids(tmp_path, name)]
    os.kill(run.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(0.5)  # it waits for its workers, which hear nothing
    os.kill(run.pid, signal.SIGINT)
    assert (run.wait(5), [pid for pid in children if is_alive(pid)]) == (130, [])


def test_the_run_after_a_kill_finishes(tmp_path):
    run = start(tmp_path)
    os.kill(pids(tmp_path)[1], signal.SIGKILL)
    run.kill()
    (tmp_path / "quick").touch()
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    again = subprocess.run(
        [sys.executable, HERE / "building.py", tmp_path],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the last try did not finish" in again.stdout
    assert (tmp_path / "build/a/text").read_text() == "done"
