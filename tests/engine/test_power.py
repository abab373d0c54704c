"""A power cut at any moment of a run leaves what the next run finishes.

What a disk keeps of a cut: names come to it in the order in which they were given (as ext4, XFS and their like have
it), but the bytes of a file that nobody waited for may be missing, zeroed or torn. So a child is killed, and then every
file of its making that had not been synced is harmed, with the times that it had. A second story lets what is
remembered come back as it was before the run, as if its renaming had been lost and nothing else.
"""

import json
import os
import shutil
import sys
from itertools import cycle
from pathlib import Path

import pytest

from sparsebuild.engine import make, stat_cache

sys.path.insert(0, str(Path(__file__).parent))

import faults
from world import Project, Wish, clean, right

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

OLD, NEW = Wish(a="blue", epochs=1), Wish()
LOSSES = {
    "nothing": lambda data: data,
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "torn": lambda data: data[: len(data) // 2],
    "torn at the start": lambda data: bytes(len(data) // 2) + data[len(data) // 2 :],
}


class Machine:
    """A project on a machine whose power may be cut."""

    def __init__(self, top, boot, target, before):
        self.top, self.boot, self.target = top, boot, target
        self.switch_on()
        self.project = Project(top / "project", top / "store", top / "journal", before or NEW)
        if before:
            self.run()
        self.before = top.with_name("before")
        shutil.copytree(top, self.before, symlinks=True)

    def again(self):
        shutil.rmtree(self.top)
        shutil.copytree(self.before, self.top, symlinks=True)
        self.project.write(NEW)

    def switch_on(self):
        """Another boot."""
        self.boot.write_text(os.urandom(8).hex())

    def run(self):
        return self.project.run(self.target)

    def cut(self, moment, losses, lucky=None):
        """Cut the power at a moment of a run. Of each file that was not synced, but for what lies in `lucky`, what the
        next of `losses` says is lost."""
        safe = {faults.identity(file.stat()) for file in self._files()}
        synced = faults.cut_at(moment, self.run)
        assert synced is not None, moment
        mortal = [file for file in self._files() if faults.identity(file.stat()) not in safe | synced]
        self._keep_times(dict(lose(file, next(losses)) for file in mortal if lucky not in file.parts))
        self.switch_on()

    def _files(self):
        return [file for top in ("project", "store") for file in sorted((self.top / top).rglob("*")) if file.is_file()]

    def _keep_times(self, times):
        # To harm a file moves its ctime, which nothing can set back, and a power cut does not; so what was remembered
        # of it is told to be of now.
        file = self.project.layout.state / "stat-cache.json"
        try:
            stats = json.loads(file.read_bytes())
        except (OSError, ValueError):  # lost
            return
        for key, entry in stats["known"].items():
            size, mtime, ctime, sha256 = entry.split()
            stats["known"][key] = f"{size} {mtime} {times.get(int(ctime), ctime)} {sha256}"
        file.write_text(json.dumps(stats))


def lose(file, how):
    before = file.stat()
    file.chmod(0o644)
    file.write_bytes(LOSSES[how](file.read_bytes()))
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return before.st_ctime_ns, file.stat().st_ctime_ns


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Make a machine; its boot id is a file."""
    monkeypatch.setattr(stat_cache, "_BOOT_ID", tmp_path / "boot")

    def start(target, before=None):
        (tmp_path / "top").mkdir()
        return Machine(tmp_path / "top", tmp_path / "boot", target, before)

    return start


def moments(machine, every):
    """Those that come in every run: whether a file was hashed within a tick of the clock (`calm`) is as it happens."""
    machine.again()
    points = [name for name in faults.points(machine.run) if "StatCache.calm" not in name]
    return [*faults.choice(points, every), faults.END]


@pytest.mark.parametrize(
    ("target", "before", "long"),
    [("cut", None, False), ("train", OLD, False), ("cut", OLD, True)],
    ids=["first build", "rebuild", "rebuild of what took long"],
)
def test_a_run_whose_power_was_cut_anywhere_is_finished_by_the_next(machine, monkeypatch, target, before, long):
    if long:
        monkeypatch.setattr(make, "_LONG", -1.0)
    machine, losses = machine(target, before), cycle(LOSSES)
    for moment in moments(machine, 3):
        machine.again()
        machine.cut(moment, losses)
        machine.run()
        assert right(machine.project, machine.project.asked(target)), moment
        assert set(machine.run().values()) == {"fresh"}, moment


@pytest.mark.parametrize("place", ["records", "stat-cache.json"])
def test_what_comes_back_as_it_was_before_the_run_is_seen_through(machine, place):
    machine = machine("cut", OLD)
    for moment in moments(machine, 6):
        machine.again()
        machine.cut(moment, cycle(["torn"]))
        put_back(machine.before / "project" / ".sparsebuild" / place, machine.project.layout.state / place)
        machine.run()
        assert right(machine.project, machine.project.asked("cut")), moment


def test_what_is_remembered_does_not_vouch_for_outputs_that_the_cut_took(machine):
    machine = machine("train")
    machine.cut(faults.END, cycle(["zeros"]), lucky=".sparsebuild")
    machine.run()
    assert right(machine.project, machine.project.asked("train"))


def test_what_took_long_survives_a_cut_right_after_the_run(machine, monkeypatch):
    monkeypatch.setattr(make, "_LONG", -1.0)
    machine = machine("train")
    machine.cut(faults.END, cycle(LOSSES))
    steps = machine.project.steps()
    machine.run()
    assert machine.project.steps() == steps
    assert machine.project.outputs("train") == clean(NEW)["train"]


def put_back(before, after):
    if before.is_dir():
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(before, after)
    elif before.exists():
        shutil.copy2(before, after)
