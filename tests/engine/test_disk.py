"""Disks that are full, folders that may not be written: one clear error, nothing lost, and on it goes afterwards."""

import os
import subprocess
from pathlib import Path

import pytest

from sparsebuild.errors import UserError
from sparsebuild.layout import cache_folder

NOBODY = 65534


@pytest.fixture
def small(tmp_path):
    """A disk of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("full", ["project", "cache"])
def test_a_full_disk_is_told_loses_nothing_and_room_mends_it(workshop, act, small, full):
    places = {"project": workshop.layout.root, "cache": workshop.cache, full: small}
    shop = type(workshop)(places["project"], places["cache"])
    shop.build([act("a", "write", text="old")])
    ballast = small / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    new = [act("a", "write", text="new" * 200_000)]
    with pytest.raises(UserError, match=r"no space left on the disk for .* there\n") as error:
        shop.build(new)
    assert f"hint: free some on the disk that holds {small}" in str(error.value)
    assert shop.text("build/a/text") == "old"
    assert shop.forecast(new)["a"].failed.startswith("no space left")
    ballast.unlink()
    room_for = [act("a", "write", text="new" * 50_000)]
    assert shop.build(room_for) == {"a": "built"}
    assert (shop.text("build/a/text"), shop.forecast(room_for)["a"].verdict) == ("new" * 50_000, "fresh")


def test_the_bytes_needed_and_there_are_told(workshop, act, small):
    shop = type(workshop)(workshop.layout.root, small)
    with pytest.raises(UserError) as error:
        shop.build([act("a", "write", text="x" * 2_000_000)])
    assert "no space left on the disk for text in the cache: 2.0 MB needed, 1.0 MB there" in str(error.value)
    assert shop.forecast([act("a", "write")])["a"].failed == error.value.problems[0].message


def as_somebody(user, work):
    """Do `work` in a child that is another user; what came out, as text."""
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ear)
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        try:
            said = repr(work())
        except BaseException as error:
            said = f"{type(error).__name__} {error}"
        os.write(mouth, said.encode())
        os._exit(0)
    os.close(mouth)
    with os.fdopen(ear) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def open_door(workshop):
    """Let everybody in as far as the project and the cache, which stay ours."""
    for folder in (workshop.layout.root, *workshop.layout.root.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)


needs_root = pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")


@needs_root
@pytest.mark.usefixtures("open_door")
def test_in_a_project_that_may_not_be_written_nothing_to_do_is_fine_and_work_is_refused(workshop, act):
    workshop.build([act("a", "write", text="x")])
    assert as_somebody(NOBODY, lambda: workshop.build([act("a", "write", text="x")])) == "{'a': 'fresh'}"
    said = as_somebody(NOBODY, lambda: workshop.build([act("a", "write", text="y")]))
    assert said.startswith("UserError error: cannot read or write .sparsebuild/lock")
    assert f"hint: check who owns {workshop.layout.root}" in said


@needs_root
@pytest.mark.usefixtures("open_door")
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_cache_of_somebody_else_is_named(workshop, act, tmp_path, mode):
    workshop.build([act("a", "write", text="x")])
    workshop.cache.chmod(mode)
    (tmp_path / "other").mkdir()
    os.chown(tmp_path / "other", NOBODY, NOBODY)
    other = type(workshop)(tmp_path / "other", workshop.cache)
    said = as_somebody(NOBODY, lambda: other.build([act("a", "write", text="y")]))
    assert said.startswith("UserError error: cannot read or write ")
    assert f"check who owns {workshop.cache}, or set SPARSEBUILD_CACHE_DIR to a folder of your own" in said


@needs_root
def test_without_a_home_the_way_out_is_told(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "SPARSEBUILD_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert as_somebody(54321, cache_folder) == (
        "UserError error: you have no home folder, where the cache would be\n\n"
        "hint: set SPARSEBUILD_CACHE_DIR to a folder"
    )
