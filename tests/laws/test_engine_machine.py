"""A law of the whole engine: whatever was done to a project and its store, a run leaves what a build from nothing
leaves, never does again what it has the answer to, and the run after it does nothing.

A machine draws what happens next: edits, harm, kills between any two system calls, two runs at once. The suite takes a
short walk; `SPARSEBUILD_STEPS=10000 pytest tests/laws/test_engine_machine.py` takes a long one. Whatever a walk finds
becomes a case in `tests/engine/test_machine.py`.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sparsebuild.engine.garbage import collect, survey
from sparsebuild.engine.store import Store
from sparsebuild.errors import GateFailed, UserError

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

import faults
from world import TARGETS, Project, clean, right

STEPS = int(os.environ.get("SPARSEBUILD_STEPS", "0"))  # none: the short walk
WALK = 50  # steps from one empty project to the next

TEXTS = ("red green", "red violet", "blue", "a longer text")
SETTINGS = st.one_of(
    st.tuples(st.just("epochs"), st.sampled_from([1, 2, 3])),
    st.tuples(st.just("style"), st.sampled_from(["plain", "loud"])),
    st.tuples(st.just("bits"), st.sampled_from([4, 8])),
    st.tuples(st.just("most"), st.sampled_from([5, 100])),
)
PICK = st.integers(0, 50)  # one of however many there are

OF_THE_PROJECT = (
    "build",
    "build/train",
    ".sparsebuild",
    *(f".sparsebuild/{name}" for name in ("records", "work", "logs")),
)
OF_THE_STORE = ("objects", "traces", "temporary", "projects")


class Machine(RuleBasedStateMachine):
    """One project, another branch of it, a store, and what the store has to know."""

    steps = 0

    def __init__(self):
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="machine-"))
        self.store = self.top / "store"
        self.project = Project(self.top / "project", self.store, self.top / "journal")
        self.branch = replace(self.project.wish, a="blue", epochs=1)  # the one that is not checked out
        self.answered = set()  # what steps were asked and the store still answers
        self.outside = self.top / "outside"
        (self.outside / "folder").mkdir(parents=True)
        (self.outside / "folder" / "text").write_text("not yours")

    def teardown(self):
        shutil.rmtree(self.top)

    @invariant()
    def nothing_outside_is_touched(self):
        type(self).steps += 1
        found = {path.relative_to(self.outside).as_posix() for path in self.outside.rglob("*")}
        assert found == {"folder", "folder/text"}
        assert (self.outside / "folder" / "text").read_text() == "not yours"

    # What its user does

    @rule(name=st.sampled_from("ab"), text=st.sampled_from(TEXTS))
    def edit(self, name, text):
        self.project.write(replace(self.project.wish, **{name: text}))

    @rule(setting=SETTINGS)
    def change_a_setting(self, setting):
        self.project.write(replace(self.project.wish, **dict([setting])))

    @rule()
    def switch_the_branch(self):
        wish, self.branch = self.branch, self.project.wish
        self.project.write(wish)

    @rule(pick=PICK, when=st.sampled_from([None, 0, 2**31]))
    def touch(self, pick, when):
        if files := self._files(self.project.root):
            os.utime(files[pick % len(files)], times=None if when is None else (when, when))

    @rule()
    def set_all_times_to_one(self):
        for file in self._files(self.project.root):
            os.utime(file, times=(10**9, 10**9))

    @rule(pick=PICK)
    def move_the_project(self, pick):
        root = self.top / f"project {pick}"
        if not root.exists():
            self.project.root.rename(root)
            self.project = Project(root, self.store, self.project.journal, self.project.wish)

    @rule()
    def copy_the_project(self):
        before = self.project.root
        root = self.top / f"{before.name}'"
        shutil.copytree(before, root, symlinks=True)
        shutil.rmtree(before)
        self.project = Project(root, self.store, self.project.journal, self.project.wish)

    # What goes wrong with files

    @rule(pick=PICK, how=st.sampled_from(["edit", "empty", "delete", "rot", "link", "folder"]))
    def harm_an_output(self, pick, how):
        files = [file for target in TARGETS for file in self._files(self.project.folder(target))]
        if files:
            harm(files[pick % len(files)], how, self.outside)

    @rule(name=st.sampled_from(TARGETS))
    def add_a_stray_file(self, name):
        if self.project.folder(name).is_dir():
            stray = self.project.folder(name) / "stray"
            remove(stray)  # it may be a link by now
            stray.write_text("stray")

    @rule(name=st.sampled_from([*TARGETS, "all"]))
    def delete_outputs(self, name):
        remove(self.project.layout.build if name == "all" else self.project.folder(name))

    @rule(pick=PICK, how=st.sampled_from(["edit", "empty", "delete", "rot"]))
    def harm_what_is_remembered(self, pick, how):
        places = [".sparsebuild/records", ".sparsebuild/stat-cache.json"]
        files = [file for place in places for file in self._files(self.project.root / place)]
        if files:
            harm(files[pick % len(files)], how, self.outside)

    @rule()
    def delete_what_is_remembered(self):
        remove(self.project.layout.state)

    @rule(pick=PICK, how=st.sampled_from(["edit", "empty", "delete", "rot", "link"]))
    def harm_the_store(self, pick, how):
        if files := self._files(self.store):
            harm(files[pick % len(files)], how, self.outside)
            self.answered.clear()

    @rule(part=st.sampled_from(["", "objects", "traces"]))
    def delete_the_store(self, part):
        remove(self.store / part)
        self.answered.clear()

    @rule(at=st.none() | st.integers(0, 120))
    def collect_garbage(self, at):
        """All that the project as it stands does not need; `at`: killed there."""
        collect = partial(take_garbage, self.store)
        if at is None:
            collect()
        else:
            faults.killed_at(at, collect)
        self.answered.clear()  # of what was once answered it may keep nothing

    # Runs

    @rule(names=st.sets(st.sampled_from(TARGETS), max_size=2), jobs=st.sampled_from([1, 3]), early=st.booleans())
    def run(self, names, jobs, early):
        """`early`: on a clock that was set back by a day."""
        with clock_set_back(early):
            self._run(*sorted(names), jobs=jobs)
            self._run_in_vain(*sorted(names), jobs=jobs)

    @rule(name=st.sampled_from(TARGETS))
    def force(self, name):
        self._run(name, force=[name])
        self._run_in_vain(name)

    @rule(at=st.integers(0, 700), how=st.sampled_from([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    def stop_a_run(self, at, how):
        ending = faults.stopped_at(at, self.project.run, how)
        if ending == 0 or os.waitstatus_to_exitcode(ending) == GateFailed.exit_code:
            assert right(self.project, self._passing())
        else:
            assert os.waitstatus_to_exitcode(ending) in (-how, 128 + how)

    @rule(count=st.sampled_from([2, 3]), cold=st.booleans())
    def run_at_once(self, count, cold):
        """Several runs of one project: one works, the others wait for it, and nothing is done twice."""
        if cold:
            remove(self.store)
            self.answered.clear()
        before = len(self.project.steps())
        at_once([self.project.run] * count, self._promoted())
        self._judge(self.project.steps()[before:])

    @rule(count=st.sampled_from([2, 5]))
    def run_in_other_projects_at_once(self, count):
        """Several projects on one store that knows nothing: each may do the work, and no one harms another."""
        remove(self.store)
        self.answered.clear()
        others = [
            Project(self.top / f"other {n}", self.store, self.top / "other", self.project.wish) for n in range(count)
        ]
        at_once([other.run for other in others], self._promoted())
        for other in others:
            assert right(other, self._passing())
            remove(other.root)

    @rule(pick=PICK)
    def run_with_a_link_planted(self, pick):
        places = [self.project.root / name for name in OF_THE_PROJECT]
        places += [self.store / name for name in OF_THE_STORE] + sorted(self.store.glob("objects/*"))
        place = places[pick % len(places)]
        if not place.parent.is_dir():
            return
        remove(place)
        place.symlink_to(self.outside / "folder")
        if place.is_relative_to(self.store):
            self.answered.clear()
        try:
            self._run()
        except UserError as error:
            assert "link" in str(error)  # noqa: PT017 a run may also replace the link
        self.nothing_outside_is_touched()
        if place.is_symlink():
            place.unlink()

    # How they are judged

    def _run(self, *targets, force=(), **options):
        before = len(self.project.steps())
        promoted = self.project.outputs("gate")
        asked = self.project.asked(*targets)
        fails = "gate" in asked and not self._promoted()
        self._wait_for_the_clock()
        try:
            self.project.run(*targets, force=force, **options)
            assert not fails
        except GateFailed:
            assert fails
            assert self.project.outputs("gate") == promoted
        assert right(self.project, set(asked) - ({"gate"} if fails else set()))
        self._judge(self.project.steps()[before:], force)

    def _run_in_vain(self, *targets, **options):
        if not self._promoted() and "gate" in self.project.asked(*targets):
            return
        before, worked = self.project.state(), len(self.project.steps())
        outcomes = self.project.run(*targets, **options)
        assert set(outcomes.values()) == {"fresh"}
        assert self.project.steps()[worked:] == []
        assert self.project.state() == before

    def _judge(self, worked, force=()):
        unasked = [step for step in worked if not any(step.startswith(name.partition("@")[0]) for name in force)]
        assert len(set(worked)) == len(worked)
        assert not self.answered & set(unasked)
        self.answered |= set(worked)

    def _wait_for_the_clock(self):
        """Nobody edits a file and runs within one tick of the disk's clock, where it would have to be hashed twice."""
        youngest = max(file.stat().st_ctime for file in self.project.root.glob("*.txt"))
        time.sleep(min(0.03, max(0, youngest + 0.03 - time.time())))

    def _promoted(self):
        return clean(self.project.wish)["gate"] is not None

    def _passing(self):
        return [target for target, files in clean(self.project.wish).items() if files]

    def _files(self, top):
        return [path for path in sorted([top, *top.rglob("*")]) if path.is_file() and not path.is_symlink()]


def harm(file, how, outside):
    stat, data = file.stat(), file.read_bytes()
    match how:
        case "edit":
            file.chmod(0o644)
            file.write_bytes(data + b"!")
        case "empty":
            file.chmod(0o644)
            file.write_bytes(b"")
        case "rot":  # as many bytes, and the time at which it was written
            file.chmod(0o644)
            file.write_bytes(bytes(byte ^ 1 for byte in data))
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        case "delete":
            file.unlink()
        case "link":
            file.unlink()
            file.symlink_to(outside / "folder" / "text")
        case "folder":
            file.unlink()
            file.mkdir()


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def take_garbage(store):
    """As `gc` does, but also what was of use a moment ago and no run is about to need."""
    store = Store(store)
    soon = time.time() + 1
    collect(store, survey(store, store.projects(), pinned=lambda root: (), before=soon), now=time.time() + 10**6)


def at_once(works, all_is_well):
    """Do `works` in as many processes at the same time; each must end as it should."""
    children = []
    for work in works:
        children.append(os.fork())
        if children[-1] == 0:
            try:
                work()
            except GateFailed:
                os._exit(1)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(70)
            os._exit(0)
    assert {os.waitpid(child, 0)[1] for child in children} == {0 if all_is_well else 256}


@contextmanager
def clock_set_back(really):
    with pytest.MonkeyPatch.context() as patch:
        if really:
            now, now_ns = time.time, time.time_ns
            patch.setattr(time, "time", lambda: now() - 86_400)
            patch.setattr(time, "time_ns", lambda: now_ns() - 86_400 * 10**9)
        yield


@pytest.fixture(autouse=True)
def _no_power_cuts(monkeypatch):
    """Waiting for the disk is for power cuts, which have tests of their own."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_whatever_happens_a_run_makes_it_right_and_the_next_one_has_nothing_to_do(capsys):
    walks = max(1, STEPS // WALK) if STEPS else 8
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=walks,
            stateful_step_count=WALK,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        sys.stderr.write(f" {Machine.steps} steps " if STEPS else "")
