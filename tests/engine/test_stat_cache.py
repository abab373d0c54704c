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


def test_what_was_hashed_too_soon_is_remembered_once_calm(tmp_path, hashed):
    file = tmp_path / "file"
    cache = StatCache(tmp_path / "cache")
    file.write_text("one")
    cache.digest(file)
    assert cache.calm()
    cache.save()
    hashed.clear()
    assert (StatCache(tmp_path / "cache").digest(file), hashed) == (text_digest("one"), [])
    assert not cache.calm()


def test_an_edit_between_hashing_and_calm_is_seen(tmp_path):
    file = tmp_path / "file"
    cache = StatCache(tmp_path / "cache")
    file.write_text("one")
    cache.digest(file)
    file.write_text("two")
    cache.calm()
    assert cache.digest(file) == text_digest("two")


def test_files_from_the_future_are_remembered_too(tmp_path, hashed, monkeypatch):
    """The clock was set back: what is on the disk seems to come from tomorrow."""
    file = tmp_path / "file"
    file.write_text("one")
    yesterday = time.time_ns() - 86_400 * 10**9
    monkeypatch.setattr(module.time, "time_ns", lambda: yesterday)
    cache = StatCache(tmp_path / "cache")
    cache.digest(file)
    cache.calm()
    cache.save()
    hashed.clear()
    StatCache(tmp_path / "cache").digest(file)
    assert hashed == []


@pytest.fixture
def boot(tmp_path, monkeypatch):
    """Boot the machine anew, as far as can be told."""
    file = tmp_path / "boot_id"
    monkeypatch.setattr(module, "_BOOT_ID", file)
    number = iter(range(99))

    def again():
        file.write_text(f"{next(number)}\n")

    again()
    return again


def known(path, file):
    cache = StatCache(path)
    found = cache.digest(file)
    cache.save()
    return found


def test_after_a_boot_it_is_hashed_once_more_and_then_never(tmp_path, settled, hashed, boot):
    known(tmp_path / "cache", settled)
    for read in (1, 0, 0):
        hashed.clear()
        boot()
        assert known(tmp_path / "cache", settled) == text_digest("one")
        assert len(hashed) == read


def test_bytes_lost_in_a_power_cut_are_noticed_though_the_times_are_the_same(tmp_path, settled, boot):
    known(tmp_path / "cache", settled)
    entries = (tmp_path / "cache").read_text()
    boot()
    (tmp_path / "cache").write_text(entries.replace(text_digest("one"), text_digest("before the cut")))
    assert known(tmp_path / "cache", settled) == text_digest("one")


def test_where_boots_cannot_be_told_apart_all_is_on_the_disk_before_it_counts(tmp_path, settled, hashed, monkeypatch):
    synced = []
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "none")
    monkeypatch.setattr(module.os, "sync", lambda: synced.append(True))
    known(tmp_path / "cache", settled)
    known(tmp_path / "cache", settled)
    assert (len(synced), len(hashed)) == (1, 1)


def test_entries_that_nobody_asks_for_do_not_pile_up(tmp_path, settled, monkeypatch):
    monkeypatch.setattr(module, "_MOST_UNUSED", 1)
    for number in range(5):
        file = tmp_path / f"file {number}"
        file.write_text("two")
        time.sleep(0.03)
        known(tmp_path / "cache", file)
    assert (tmp_path / "cache").read_text().count(text_digest("two")) <= 2
