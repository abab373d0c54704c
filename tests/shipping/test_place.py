"""shipping/place.py: a folder is replaced whole, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from sparsebuild.errors import UserError
from sparsebuild.shipping import place as module
from sparsebuild.shipping.parcel import pack
from sparsebuild.shipping.place import place
from sparsebuild.shipping.provenance import compare, read


def test_a_folder_is_filled_and_filled_anew(hub_folder, tmp_path):
    to = tmp_path / "a" / "shelf"
    place(to, pack(hub_folder))
    (to / "config.json").unlink()
    place(to, pack(hub_folder))
    assert compare(to, read(to)) == ()
    assert [path.name for path in to.parent.iterdir()] == ["shelf"]


@pytest.mark.parametrize("moment", [0, 1])
def test_what_a_killed_publishing_had_moved_away_comes_back(hub_folder, tmp_path, monkeypatch, moment):
    """Killed before the first renaming, or between the two."""
    to = tmp_path / "shelf"
    place(to, pack(hub_folder))
    (to / "README.md").write_text("my own words")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with monkeypatch.context() as killed:
        killed.setattr(module.os, "getpid", lambda: gone.pid)
        killed.setattr(module, "_refuse_what_is_not_ours", lambda folder: None)
        killed.setattr(module, "_end", lambda staging, folder: None)
        left = [moment]

        def rename(path, target):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            path.replace(target)

        killed.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            place(to, pack(hub_folder))
    assert to.exists() == (moment == 0)
    with pytest.raises(UserError, match=r"edited since they were published there: `README.md`"):
        place(to, pack(hub_folder))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("shelf", ".spars"))] == ["shelf"]
    assert (to / "README.md").read_text() == "my own words"


def test_what_changes_while_it_is_copied_is_not_published(hub_folder, tmp_path):
    to = tmp_path / "shelf"
    items = pack(hub_folder)
    (hub_folder / "config.json").write_text('{"model_type": "another"}')
    with pytest.raises(UserError) as caught:
        place(to, items)
    assert str(caught.value) == (
        "error: what was built changed while it was published: `config.json`\n\n"
        "hint: publish again when no run is at work"
    )
    assert not to.exists()


def test_a_file_that_was_edited_since_is_not_written_over(hub_folder, tmp_path):
    to = tmp_path / "shelf"
    place(to, pack(hub_folder))
    (to / "README.md").write_text("my own words")
    with pytest.raises(UserError) as caught:
        place(to, pack(hub_folder))
    assert str(caught.value) == (
        f"error: `{to}` holds files that were edited since they were published there: `README.md`\n\n"
        "hint: move them elsewhere to have them published anew, or name another folder"
    )
    assert (to / "README.md").read_text() == "my own words"


def test_a_folder_that_holds_anything_else_is_refused(hub_folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(UserError) as caught:
        place(tmp_path / "mine", pack(hub_folder))
    assert str(caught.value) == (
        f"error: `{tmp_path / 'mine'}` holds files that no publishing left there, such as `thesis.tex`\n\n"
        "hint: name another folder"
    )


def test_a_disk_that_fills_up_leaves_what_stood_there(hub_folder, tmp_path, monkeypatch):
    to = tmp_path / "shelf"
    place(to, pack(hub_folder))
    before = {path: path.stat().st_mtime_ns for path in to.rglob("*")}
    real, left = module.shutil.copyfile, [3]

    def copyfile(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(module.shutil, "copyfile", copyfile)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        place(to, pack(hub_folder))
    assert {path: path.stat().st_mtime_ns for path in to.rglob("*")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candidate", "hub", "model", "shelf"]
