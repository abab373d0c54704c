"""What of the store nobody needs."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sparsebuild.engine.garbage import Amount, Removed, collect, survey, weigh, wipe
from sparsebuild.engine.store import Store
from sparsebuild.errors import UserError

DAY = 86400


@pytest.fixture
def grow_old(workshop):
    """Let nothing in the store have been used for a year."""

    def call():
        for path in (workshop.cache / "objects").rglob("*"):
            os.utime(path, (0, time.time() - 365 * DAY))

    return call


@pytest.fixture
def look(workshop):
    """Look at the store as a month ago still counts as lately."""

    def call(*projects, pinned=lambda root: ()):
        known = projects or workshop.store.projects()
        return survey(workshop.store, known, pinned=pinned, before=time.time() - 30 * DAY)

    return call


def objects(workshop):
    return {p.read_text() for p in (workshop.cache / "objects").rglob("*") if p.is_file()}


def gc(workshop, found):
    removed = collect(workshop.store, found, now=time.time())
    return Amount(files=removed.files, size=removed.size)


def test_what_a_project_needs_stays_and_the_rest_goes(workshop, chain, grow_old, look):
    workshop.build(chain())
    workshop.build(chain(words="blue"))
    grow_old()
    found = look()
    assert (found.unneeded, [need.all for need in found.needs]) == (
        Amount(files=3, size=16),
        [Amount(files=2, size=9)],
    )
    assert gc(workshop, found) == found.unneeded
    assert objects(workshop) == {"blue", "blue!"}
    assert set(workshop.build(chain(words="blue")).values()) == {"fresh"}
    assert workshop.build(chain())["words"] == "built"


def test_what_was_used_lately_stays_so_that_going_back_restores(workshop, chain, grow_old, look):
    workshop.build(chain())
    workshop.build(chain(words="blue"))
    grow_old()
    workshop.build(chain())  # restored: used again
    workshop.build(chain(words="blue"))
    found = look()
    assert (found.lately.files, found.unneeded.files) == (3, 0)
    gc(workshop, found)
    assert set(workshop.build(chain()).values()) == {"restored"}


def test_traces_go_with_their_objects_and_only_with_them(workshop, chain, grow_old, look):
    workshop.build(chain())
    workshop.build(chain(words="blue"))
    grow_old()
    gc(workshop, look())
    assert len(list((workshop.cache / "traces").iterdir())) == 3


def test_pinned_sources_are_needed(workshop, chain, grow_old, look, tmp_path):
    workshop.build(chain())
    (tmp_path / "pin").write_text("pinned")
    pin = workshop.store.put(tmp_path / "pin")
    grow_old()
    assert look().unneeded.files == 1
    assert look(pinned=lambda root: [pin]).unneeded.files == 0


def test_what_two_projects_need_is_no_ones_alone(workshop, chain, grow_old, look, tmp_path):
    workshop.build(chain())
    other = type(workshop)(tmp_path / "other", workshop.cache)
    other.layout.root.mkdir()
    other.build(chain(end="?"))
    grow_old()
    found = {need.root.name: (need.all.files, need.alone.files) for need in look().needs}
    assert found == {"project": (3, 1), "other": (3, 1)}


def test_a_project_that_is_gone_needs_nothing_and_is_forgotten(workshop, chain, grow_old, look, tmp_path):
    workshop.build(chain())
    workshop.layout.root.rename(tmp_path / "moved")
    grow_old()
    found = look()
    assert [need.is_there for need in found.needs] == [False]
    gc(workshop, found)
    assert (workshop.store.projects(), objects(workshop)) == ((), set())


def test_a_project_that_moved_is_known_again_after_its_next_run(workshop, chain, tmp_path):
    workshop.build(chain())
    workshop.layout.root.rename(tmp_path / "moved")
    moved = type(workshop)(tmp_path / "moved", workshop.cache)
    assert set(moved.build(chain()).values()) == {"fresh"}
    assert tmp_path / "moved" in workshop.store.projects()


def test_the_outputs_of_a_try_that_failed_stay(workshop, chain, grow_old, look):
    workshop.build(chain())
    workshop.calls.steps["write"] = lambda job, report: None
    with pytest.raises(Exception, match="left no files"):
        workshop.build(chain(words="blue"))
    grow_old()
    assert look().unneeded.files == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_project_that_may_not_be_read_stops_everything(workshop, chain):
    with tempfile.TemporaryDirectory() as place:  # not in pytest's, which nobody else may enter
        shop = type(workshop)(Path(place, "project"), Path(place, "cache"))
        Path(place).chmod(0o755)
        shop.layout.root.mkdir(mode=0o700)
        shop.build(chain())
        assert as_nobody(lambda: survey(shop.store, shop.store.projects(), pinned=lambda root: (), before=0)) == (
            f"cannot see what the project {place}/project needs of the cache: Permission denied"
        )


def as_nobody(work):
    """What `work` complains of in a process of another user."""
    heard, said = os.pipe()
    if os.fork() == 0:
        os.setuid(65534)
        try:
            work()
        except UserError as error:
            os.write(said, error.args[0].encode())
        finally:
            os._exit(0)
    os.close(said)
    with os.fdopen(heard) as stream:
        told = stream.read()
    os.wait()
    return told


def test_an_object_that_is_used_between_looking_and_removing_stays(workshop, chain, grow_old, look):
    workshop.build(chain())
    workshop.build(chain(words="blue"))
    grow_old()
    found = look()
    workshop.build(chain())
    assert gc(workshop, found).files == 0
    assert set(workshop.build(chain()).values()) == {"fresh"}
    assert set(workshop.build(chain(words="blue")).values()) == {"restored"}


def test_what_killed_processes_left_goes_after_a_while(workshop, chain, look):
    workshop.build(chain())
    for name in ("temporary/old", "temporary/young", "traces/.ab.new"):
        (workshop.cache / name).write_text("half")
    (workshop.cache / "temporary" / "folder").mkdir()
    for name in ("temporary/old", "traces/.ab.new", "temporary/folder"):
        os.utime(workshop.cache / name, (0, time.time() - DAY))
    gc(workshop, look())
    assert [p.name for p in (workshop.cache / "temporary").iterdir()] == ["young"]
    assert not (workshop.cache / "traces" / ".ab.new").exists()


def test_a_lock_file_that_somebody_holds_stays(workshop, chain, look):
    workshop.build(chain())
    folder = workshop.cache / "temporary" / "downloads"
    folder.mkdir()
    held, free, inside = folder.parent / "held.lock", folder.parent / "free.lock", folder / "held.lock"
    with held.open("w") as one, free.open("w"), inside.open("w") as other:
        for stream in (one, other):
            fcntl.flock(stream, fcntl.LOCK_EX)
        for path in (held, free, inside, folder):
            os.utime(path, (0, time.time() - DAY))
        gc(workshop, look())
    assert [path.exists() for path in (held, free, inside)] == [True, False, True]


def test_links_in_the_store_are_neither_followed_nor_counted(workshop, chain, grow_old, look, tmp_path):
    workshop.build(chain())
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / ("a" * 64)).write_text("mine")
    os.utime(precious / ("a" * 64), (0, 0))
    (workshop.cache / "objects" / "zz").symlink_to(precious)
    (workshop.cache / "temporary" / "link").symlink_to(precious)
    os.utime(workshop.cache / "temporary" / "link", (0, 0), follow_symlinks=False)
    before = weigh(workshop.cache / "objects").size
    gc(workshop, look())
    wipe(workshop.store, now=time.time())
    assert (precious / ("a" * 64)).read_text() == "mine"
    assert before < 200


def test_a_store_that_is_wiped_is_filled_again(workshop, chain):
    workshop.build(chain())
    assert wipe(workshop.store, now=time.time()).files == 3
    assert not any(p.is_file() for folder in ("objects", "traces") for p in (workshop.cache / folder).rglob("*"))
    assert set(workshop.build(chain()).values()) == {"fresh"}
    assert workshop.build(chain(words="blue"))["words"] == "built"


def test_what_could_not_be_removed_is_counted_with_the_reason(workshop, chain, monkeypatch):
    workshop.build(chain())
    rename, first = Path.rename, next((workshop.cache / "objects").glob("*/*"))

    def refused(path, to):
        if path == first:
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refused)
    removed = wipe(workshop.store, now=time.time())
    assert (removed.files, removed.left, removed.why) == (2, 1, "Permission denied")
    assert [*(workshop.cache / "objects").glob("*/*")] == [first]


def test_nothing_is_made_where_there_is_no_store(tmp_path):
    store = Store(tmp_path / "cache")
    found = survey(store, (), pinned=lambda root: (), before=time.time())
    assert collect(store, found, now=time.time()) == Removed(files=0, size=0)
    assert not (tmp_path / "cache").exists()


BUILDER = """
import sys
sys.path[:0] = sys.argv[1:2]
from pathlib import Path
from conftest import Workshop, make_action
shop = Workshop(Path(sys.argv[2]), Path(sys.argv[3]))
for k in range(25):
    words = [make_action("words", "write", **{f"f{n}": f"{n} {k % 3}" for n in range(20)})]
    shop.build([*words, make_action("end", "join", "words", end=str(k % 3))])
print(len(shop.calls.jobs))
"""


def test_builds_in_other_processes_go_on_while_garbage_is_collected(workshop, tmp_path):
    """They go back and forth between three settings, while everything that is not needed right now is taken away."""
    projects = [tmp_path / name for name in ("one", "two")]
    builders = [start_builder(project, workshop.cache) for project in projects]
    rounds = removed = 0
    while any(builder.poll() is None for builder in builders) or not rounds:
        found = survey(workshop.store, workshop.store.projects(), pinned=lambda root: (), before=time.time() + DAY)
        removed += collect(workshop.store, replace(found, before=float("inf")), now=time.time()).files
        rounds += 1
    assert [(builder.wait(), builder.stderr.read()) for builder in builders] == [(0, ""), (0, "")]
    assert removed > 0
    for project in projects:
        assert (project / "build" / "end" / "text").read_text().split()[:2] == ["0", "0"]
        told = json.loads((project / ".sparsebuild" / "records" / "end.json").read_bytes())
        assert told["document"]["params"] == {"end": "0"}


def start_builder(project: Path, cache: Path):
    project.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, Path(__file__).parent, project, cache],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
