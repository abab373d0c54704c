"""Several processes at once on one store, or in one project, with locks that hold and locks that do not."""

import fcntl
import os
import time

import pytest

from sparsebuild.digest import file_digest
from sparsebuild.errors import SparsebuildError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def at_once(*works):
    """Do all `works`, each in a process of its own, from one moment on; their exit codes."""
    ear, mouth = os.pipe()
    children = []
    for work in works:
        child = os.fork()
        if child == 0:
            os.close(mouth)
            os.read(ear, 1)  # all go when the last one is there
            os._exit(outcome(work))
        children.append(child)
    os.close(ear)
    os.close(mouth)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def outcome(work):
    try:
        work()
    except SparsebuildError as error:
        return error.exit_code
    except BaseException:
        return 70
    return 0


@pytest.fixture
def actions(act):
    """A dozen actions with some of the same bytes among their outputs."""
    firsts = [act(f"a{n}", "write", **{"own": str(n), "same": "x" * 100_000, "deep/er": "y"}) for n in range(6)]
    return [*firsts, *(act(f"b{n}", "join", f"a{n}/own", f"a{(n + 1) % 6}/deep", end=str(n)) for n in range(6))]


def whole(cache):
    """The objects of a store, each of which is what its name says."""
    objects = [path for path in (cache / "objects").rglob("*") if path.is_file()]
    assert all(file_digest(path) == path.name for path in objects)
    assert list((cache / "temporary").iterdir()) == []
    return sorted(path.name for path in objects)


def test_five_projects_at_once_on_one_cold_store(workshop, actions, tmp_path):
    shops = []
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        shops.append(type(workshop)(tmp_path / str(number), workshop.cache))
    assert at_once(*(lambda shop=shop: shop.build(actions) for shop in shops)) == [0] * 5
    alone = type(workshop)(workshop.layout.root, tmp_path / "alone")
    alone.build(actions)
    assert whole(workshop.cache) == whole(tmp_path / "alone")
    for shop in shops:
        assert set(shop.build(actions).values()) == {"fresh"}
        assert shop.text("build/b5/text") == alone.text("build/b5/text")


def test_two_runs_at_once_do_the_work_once(workshop, act):
    def step(job, report):
        with (workshop.layout.root / "runs").open("a") as runs:
            runs.write("x")
        time.sleep(0.1)
        (job.out / "text").write_text("x")

    workshop.calls.steps["write"] = step
    assert at_once(*[lambda: workshop.build([act("a", "write")])] * 3) == [0, 0, 0]
    assert workshop.text("runs") == "x"


@pytest.mark.parametrize("jobs", [1, 3])
def test_where_locks_do_not_hold_a_run_may_fail_but_nothing_is_wrong(workshop, actions, tmp_path, jobs):
    def unlocked():
        fcntl.flock = lambda descriptor, operation: None
        workshop.build(actions, jobs=jobs, keep_going=True)

    assert set(at_once(*[unlocked] * 4)) <= {0, 1, 2}
    workshop.build(actions)
    alone = type(workshop)(tmp_path / "alone", tmp_path / "alone" / "cache")
    alone.layout.root.mkdir()
    alone.build(actions)
    for n in range(6):
        assert workshop.text(f"build/b{n}/text") == alone.text(f"build/b{n}/text")
    assert whole(workshop.cache) == whole(tmp_path / "alone" / "cache")
    assert set(workshop.build(actions).values()) == {"fresh"}
