"""Files that are there whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparsebuild.atomic import sweep, sync, temporary, write_bytes
from sparsebuild.engine import make


@pytest.fixture
def synced(monkeypatch):
    """What the disk was waited for, by names."""
    names = []
    monkeypatch.setattr(os, "fsync", lambda fd: names.append(Path(f"/proc/self/fd/{fd}").readlink().name))
    return names


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@linux
@pytest.mark.parametrize("durable", [True, False])
def test_the_disk_is_waited_for_where_it_matters(tmp_path, synced, durable):
    write_bytes(tmp_path / "file", b"bytes", durable=durable)
    assert (tmp_path / "file").read_bytes() == b"bytes"
    assert [name.endswith(".new") or name for name in synced] == ([True, tmp_path.name] if durable else [])


@linux
def test_a_disk_that_does_not_wait_for_folders_is_no_matter(tmp_path, monkeypatch):
    def fsync(fd):
        if Path(f"/proc/self/fd/{fd}").readlink().name in refused:
            raise OSError(errno.EINVAL, "Invalid argument")

    refused = {tmp_path.name}
    monkeypatch.setattr(os, "fsync", fsync)
    write_bytes(tmp_path / "file", b"bytes")
    assert (tmp_path / "file").read_bytes() == b"bytes"
    refused.add("file")
    with pytest.raises(OSError, match="Invalid argument"):
        sync(tmp_path / "file")


@linux
def test_a_quick_step_that_leaves_little_does_not_wait_for_the_disk(workshop, act, synced):
    workshop.build([act("a", "write", text="x")])
    synced.clear()
    workshop.build([act("a", "write", text="y"), act("b", "join", "a")])
    assert synced == []


@linux
@pytest.mark.parametrize("bound", ["_LONG", "_MUCH"])
def test_what_took_long_or_is_large_is_on_the_disk_before_it_is_told(workshop, act, synced, monkeypatch, bound):
    monkeypatch.setattr(make, bound, 0)
    workshop.build([act("a", "write", text="x")])
    record, (file,) = workshop.record("a"), workshop.record("a").outputs
    assert {file.sha256[:2], "traces", "records"} <= set(synced)
    assert sum(name.endswith(".new") for name in synced) >= 3, record  # object, trace, record


def test_what_a_killed_writer_left_is_swept_and_others_are_left_alone(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".{gone.pid}.ab12.new").touch()
    (tmp_path / "other.new").touch()
    with temporary(tmp_path) as mine:
        mine.touch()
        sweep(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([mine, tmp_path / "other.new"])
