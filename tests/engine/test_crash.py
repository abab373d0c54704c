"""`kill -9` at any moment of publishing, recording, storing and locking leaves what the next run finishes.

The moments are found, not listed: whatever the engine does between two system calls has a name. Each name is killed
once, in one of the stories that have it; with `SPARSEBUILD_STEPS` set each moment of every story is.
"""

import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from sparsebuild import lock as locks
from sparsebuild.lock import Lock, LockedSource

sys.path.insert(0, str(Path(__file__).parent))

import faults
from world import Project, Wish, right

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

OLD, NEW = Wish(a="blue", epochs=1), Wish()
STORIES = {  # what was built before, what is being built when it is killed, what is wished then; and of what
    "rebuild": ((OLD,), NEW, NEW, "train"),
    "first build": ((), NEW, NEW, "cut"),
    "rebuild, then back": ((OLD,), NEW, OLD, "cut"),
    "restoring": ((OLD, NEW), OLD, OLD, "cut"),
}
PARTS = {  # what of a build has to be among the moments
    "publish": "swap._swap_folders: rename",
    "record": "record.write",
    "store": "store.Store.put",
    "trace": "store.Store.remember",
    "stat cache": "stat_cache.StatCache.save",
}


class Stage:
    """A project and its store as they were before, as often as it takes."""

    def __init__(self, top, target, before):
        self.top, self.target = top, target
        top.mkdir()
        self.before = top.with_name("before")
        self.project = self._project(Wish())
        for wish in before:
            self.project.write(wish)
            self.project.run(target)
        shutil.copytree(top, self.before, symlinks=True)

    def again(self, wish):
        """The project as it was, its user now wishing `wish`."""
        shutil.rmtree(self.top)
        shutil.copytree(self.before, self.top, symlinks=True)
        self.project = self._project(wish)
        return self.project

    def points(self, wish):
        project = self.again(wish)
        return faults.points(lambda: project.run(self.target))

    def _project(self, wish):
        return Project(self.top / "project", self.top / "store", self.top / "journal", wish)


@pytest.fixture
def stage(tmp_path):
    def make(target, *before):
        return Stage(tmp_path / "stage", target, before)

    return make


@functools.cache
def moments():
    """For each story the moments at which it is killed."""
    found = {}
    for story, (before, killed, _, target) in STORIES.items():
        with tempfile.TemporaryDirectory() as folder:
            found[story] = Stage(Path(folder) / "stage", target, before).points(killed)
    if "SPARSEBUILD_STEPS" in os.environ:
        return {story: range(len(names)) for story, names in found.items()}
    shared = {story: [] for story in STORIES}
    for name in sorted(set().union(*found.values())):
        shared[min((s for s in STORIES if name in found[s]), key=lambda s: len(shared[s]))].append(name)
    return shared


@pytest.mark.parametrize("story", STORIES)
def test_a_run_that_was_killed_anywhere_is_finished_by_the_next(stage, story):
    before, killed, after, target = STORIES[story]
    stage = stage(target, *before)
    for moment in moments()[story]:
        project = stage.again(killed)
        died = faults.killed_at(moment, lambda: project.run(target))  # noqa: B023 it is called at once
        # There may be a moment less than when they were counted, and nothing young enough to be hashed again.
        assert died or isinstance(moment, int) or "StatCache.calm" in moment, moment
        project.write(after)
        outcomes = set(project.run(target).values())
        assert right(project, project.asked(target)), moment
        assert set(project.run(target).values()) == {"fresh"}, moment
        assert left_over(project) == [] or outcomes == {"fresh"}, moment  # looking removes nothing


def test_what_somebody_added_to_an_output_folder_outlives_a_kill_anywhere(stage):
    stage = stage("cut", OLD)
    (stage.project.folder("cut") / "notes").write_text("mine")
    shutil.rmtree(stage.before)
    shutil.copytree(stage.top, stage.before)
    moments = sorted({name for name in stage.points(NEW) if "swap." in name})
    assert len(moments) > 3
    for moment in moments:
        project = stage.again(NEW)
        assert faults.killed_at(moment, lambda: project.run("cut")), moment  # noqa: B023 it is called at once
        project.run("cut")
        assert right(project, project.asked("cut")), moment
        assert project.outputs("cut")["notes"] == b"mine", moment


def test_the_moments_are_those_of_publishing_recording_and_storing(stage):
    names = faults.points(lambda: stage("cut").project.run("cut"))
    assert {part: any(piece in name for name in names) for part, piece in PARTS.items()} == dict.fromkeys(PARTS, True)


def test_a_lock_killed_anywhere_while_it_is_written_is_the_old_or_the_new_one(tmp_path):
    path = tmp_path / "sparse.lock"
    old, new = (Lock(sources=(LockedSource(name="a", kind="file", request=f"file:{name}", files=()),)) for name in "ab")
    for number, name in enumerate(faults.points(lambda: locks.write(path, new))):
        locks.write(path, old)
        assert faults.killed_at(number, lambda: locks.write(path, new)), name
        assert locks.read(path) in (old, new), name
    locks.write(path, new)
    assert locks.read(path) == new


def left_over(project):
    """What a killed run had begun and had given no name."""
    return [path.name for path in project.root.rglob(".*.new")]
