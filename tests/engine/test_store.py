"""Bytes by their digest, in and out."""

import os
from dataclasses import replace

import pytest

from sparsebuild.digest import text_digest, value_digest
from sparsebuild.engine import store as module
from sparsebuild.engine.action import File
from sparsebuild.engine.record import Record
from sparsebuild.engine.store import Damaged, Missing, Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "cache")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    return path


def test_what_is_put_comes_back(store, file, tmp_path):
    sha256 = store.put(file)
    store.copy_to(sha256, tmp_path / "deep" / "copy")
    assert sha256 == text_digest("text")
    assert (tmp_path / "deep" / "copy").read_text() == "text" == store.read_bytes(sha256).decode()


def test_asking_creates_nothing(store, tmp_path):
    assert (store.has("0" * 64), store.recall("0" * 64)) == (False, None)
    assert not (tmp_path / "cache").exists()


def test_objects_are_read_only_copies_and_what_comes_out_is_the_callers(store, file, tmp_path):
    path = store.path(store.put(file))
    store.copy_to(path.name, tmp_path / "copy")
    assert path.stat().st_mode & 0o222 == 0
    assert os.access(tmp_path / "copy", os.W_OK)
    assert [p.stat().st_nlink for p in (path, file, tmp_path / "copy")] == [1, 1, 1]


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
@pytest.mark.parametrize("by_reference", [True, False])
def test_all_sizes_travel_whole(store, file, tmp_path, monkeypatch, size, by_reference):
    if not by_reference:
        monkeypatch.delattr(module.os, "copy_file_range", raising=False)
    file.write_bytes(os.urandom(size))
    store.copy_to(store.put(file), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()


def test_missing_object(store, tmp_path):
    with pytest.raises(Missing):
        store.copy_to("0" * 64, tmp_path / "copy")
    with pytest.raises(Missing):
        store.read_bytes("0" * 64)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("way", ["read", "copy"])
def test_damaged_object_is_removed(store, file, tmp_path, way):
    path = store.path(store.put(file))
    path.chmod(0o644)
    path.write_text("rot!")
    with pytest.raises(Damaged):
        store.read_bytes(path.name) if way == "read" else store.copy_to(path.name, tmp_path / "copy")
    assert (store.has(path.name), (tmp_path / "copy").exists()) == (False, False)
    assert store.put(file) == path.name


def test_a_link_is_replaced_and_not_followed(store, file, tmp_path):
    sha256 = store.put(file)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to("precious")
    store.copy_to(sha256, tmp_path / "link")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "link").is_symlink()


def test_nothing_is_left_over(store, file, tmp_path):
    store.put(file)
    store.put(file)
    assert list((tmp_path / "cache" / "temporary").iterdir()) == []


def kept(store, text):
    path = store.root.parent / "kept"
    path.write_text(text)
    return store.put(path)


def record(store, **changes):
    document = {"step": "x", "version": 1, "params": {}, "inputs": {}, "sources": {}, "libraries": {}}
    output = File(path="text", size=4, sha256=kept(store, "text"))
    made = Record(
        document=document,
        fingerprint=value_digest(document),
        outputs=(output,),
        seconds=1.5,
        notes={"threads": 4},
        inputs={"data": (output,)},
    )
    return replace(made, **changes)


def test_an_answer_is_recalled_by_its_question(store):
    made = record(store)
    store.remember(made)
    assert store.recall(made.fingerprint) == made


def test_an_answer_without_its_files_is_none(store):
    made = record(store)
    store.remember(made)
    store.path(made.outputs[0].sha256).unlink()
    assert store.recall(made.fingerprint) is None


def test_an_answer_under_a_wrong_name_is_none(store):
    made = record(store, fingerprint="f" * 64)
    store.remember(made)
    assert store.recall("f" * 64) is None


def test_an_object_cut_short_is_none_and_is_replaced(store, file):
    made = record(store)
    store.remember(made)
    path = store.path(made.outputs[0].sha256)
    path.chmod(0o644)
    path.write_text("te")
    assert store.recall(made.fingerprint) is None
    store.put(file)
    assert store.recall(made.fingerprint) == made


def test_a_record_that_is_torn_is_none(store):
    made = record(store)
    store.remember(made)
    (trace,) = (store.root / "traces").iterdir()
    whole = trace.read_bytes()
    for torn in (b"", whole[:-1], bytes(len(whole)), whole[:100] + bytes(len(whole) - 100)):
        trace.write_bytes(torn)
        assert store.recall(made.fingerprint) is None
