"""Not hashing again what did not move, and never trusting too much."""

import os
import time

import pytest

from sparsebuild.digest import text_digest
from sparsebuild.engine import stat_cache as module
from sparsebuild.engine.stat_cache import StatCache


@pytest.fixture
def settled(tmp_path):
    """A file that changed long enough ago to be believed."""
    file = tmp_path / "file"
    file.write_text("one")
    time.sleep(0.06)
    return file


@pytest.fixture
def hashed(monkeypatch):
    """The files that were really read, in order."""
    read = []
    real = module.file_digest
    monkeypatch.setattr(module, "file_digest", lambda path: (read.append(path.name), real(path))[1])
    return read


def test_hashes_once_and_remembers_across_runs(tmp_path, settled, hashed):
    cache = StatCache(tmp_path / "cache")
    assert cache.digest(settled) == cache.digest(settled) == text_digest("one")
    cache.save()
    assert StatCache(tmp_path / "cache").digest(settled) == text_digest("one")
    assert hashed == ["file"]


def test_edit_of_the_same_size_and_mtime_is_noticed(tmp_path, settled):
    cache = StatCache(tmp_path / "cache")
    cache.digest(settled)
    before = settled.stat()
    settled.write_text("two")
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert cache.digest(settled) == text_digest("two")


def test_touched_file_is_hashed_once_more_and_saved(tmp_path, settled, hashed):
    StatCache(tmp_path / "cache").digest(settled)
    settled.touch()
    time.sleep(0.06)
    for _ in range(3):
        cache = StatCache(tmp_path / "cache")
        cache.digest(settled)
        cache.save()
    assert len(hashed) == 2


def test_file_that_changed_a_moment_ago_is_not_believed(tmp_path, hashed):
    file = tmp_path / "file"
    cache = StatCache(tmp_path / "cache")
    file.write_text("one")
    cache.digest(file)
    cache.digest(file)
    assert len(hashed) == 2


def test_renaming_a_folder_keeps_what_is_known(tmp_path, hashed):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("one")
    time.sleep(0.06)
    cache = StatCache(tmp_path / "cache")
    cache.digest(tmp_path / "a" / "file")
    (tmp_path / "a").rename(tmp_path / "b")
    cache.digest(tmp_path / "b" / "file")
    assert len(hashed) == 1


def test_nothing_learned_writes_nothing(tmp_path):
    StatCache(tmp_path / "cache").save()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 0, "known": {}}', '{"format": 1}', '{"format": 1, "known": 3}']
)
def test_broken_cache_is_no_cache(tmp_path, settled, text):
    (tmp_path / "cache").write_text(text)
    assert StatCache(tmp_path / "cache").digest(settled) == text_digest("one")


def test_missing_file_is_the_callers_matter(tmp_path):
    with pytest.raises(FileNotFoundError):
        StatCache(tmp_path / "cache").digest(tmp_path / "none")
