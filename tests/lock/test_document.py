"""The lock as a file: its look to the byte, and what is refused."""

from pathlib import Path

import pytest

from sparsebuild import lock as locks
from sparsebuild.errors import UserError
from sparsebuild.lock import Lock, LockedFile, LockedSource, MergeMarkers, names_fault, path_fault

A, B = "a" * 64, "b" * 64
MODEL = LockedSource(
    name="model",
    kind="pypi-model",
    request="pypi:tiny==1.0#tiny/model",
    version="1.0",
    files=(
        LockedFile(path="model.safetensors", size=438000000, sha256=B),
        LockedFile(path="config.json", size=684, sha256=A),
    ),
)
ROWS = LockedSource(
    name="data.train",
    kind="file-data",
    request='file:a "b".jsonl\nfile:c.jsonl',
    commit="c0ffee",
    files=(LockedFile(path="ä.jsonl", size=0, sha256=A),),
)
TEXT = f"""\
# Written by sparsebuild; commit it. To resolve a merge conflict run `sparsebuild lock`.
lock-version = 1

[[source]]
name = "data.train"
kind = "file-data"
request = "file:a \\"b\\".jsonl\\nfile:c.jsonl"
commit = "c0ffee"
files = [
  {{ path = "ä.jsonl", size = 0, sha256 = "{A}" }},
]

[[source]]
name = "model"
kind = "pypi-model"
request = "pypi:tiny==1.0#tiny/model"
version = "1.0"
files = [
  {{ path = "config.json", size = 684, sha256 = "{A}" }},
  {{ path = "model.safetensors", size = 438000000, sha256 = "{B}" }},
]
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sparse.lock"


def failure(path, text, kind=UserError):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(kind) as error:
        locks.read(path)
    return str(error.value)


def test_the_look_to_the_byte(path):
    locks.write(path, Lock(sources=(MODEL, ROWS)))
    assert path.read_bytes() == TEXT.encode()


def test_reading_sorts_and_finds_by_name(path):
    path.write_text(TEXT)
    lock = locks.read(path)
    assert [source.name for source in lock.sources] == ["data.train", "model"]
    assert lock.source("model").version == "1.0"
    assert lock.source("teacher") is None


def test_no_file_is_no_lock(path):
    assert locks.read(path) is None


def test_writing_the_same_leaves_the_file_alone(path):
    locks.write(path, Lock(sources=(MODEL,)))
    before = path.stat()
    locks.write(path, Lock(sources=(MODEL,)))
    assert path.stat() == before


def test_writing_leaves_nothing_else_and_the_usual_rights(path):
    locks.write(path, Lock())
    locks.write(path, Lock(sources=(MODEL,)))
    (path.parent / "other").touch()
    assert sorted(p.name for p in path.parent.iterdir()) == ["other", "sparse.lock"]
    assert path.stat().st_mode == (path.parent / "other").stat().st_mode


def test_a_failed_write_leaves_the_old_lock(path, monkeypatch):
    locks.write(path, Lock())
    monkeypatch.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        locks.write(path, Lock(sources=(MODEL,)))
    assert [p.name for p in path.parent.iterdir()] == ["sparse.lock"]
    assert locks.read(path) == Lock()


def test_newer_version(path):
    assert failure(path, "lock-version = 2\n[future]\n") == (
        "error: `sparse.lock` has lock-version 2, written by a newer sparsebuild; this one reads 1\n\n"
        "hint: upgrade: `pip install --upgrade sparsebuild`"
    )


def test_merge_markers(path):
    text = TEXT.replace("[[source]]", "<<<<<<< HEAD\n[[source]]", 1) + "=======\n>>>>>>> other\n"
    assert failure(path, text, MergeMarkers) == (
        "error: `sparse.lock` holds the marks of a merge conflict\n  --> sparse.lock:4:1\n\n"
        "hint: run `sparsebuild lock`; it resolves the conflict"
    )


def test_keys_of_another_version_survive(path):
    text = f"""\
{TEXT.splitlines()[0]}
lock-version = 1
"a b" = [1, 2.5, inf, true]

[[source]]
name = "model"
kind = "hf-model"
request = "hf:a/b"
seen = 2026-11-24T18:00:00
table = {{ x = {{ y = "\\"" }}, z = [] }}
files = [
  {{ path = "config.json", size = 684, sha256 = "{A}", blake3 = "c" }},
]
"""
    path.write_text(text)
    lock = locks.read(path)
    assert [key for key, _ in lock.source("model").extra] == ["seen", "table"]
    assert locks.text(lock) == text


def test_both_sides_of_a_merge_conflict_are_there_to_take_pins_from(path):
    ours, theirs = (f'name = "model"\nkind = "k"\nrequest = "{r}"\nfiles = []\n' for r in "ab")
    conflict = f"<<<<<<< ours\n{ours}||||||| base\nbroken\n=======\n{theirs}>>>>>>> theirs\n"
    path.write_text(f"lock-version = 1\n[[source]]\n{conflict}")
    with pytest.raises(MergeMarkers) as error:
        locks.read(path)
    assert [lock.source("model").request for lock in error.value.sides] == ["a", "b"]
    path.write_text(f"lock-version = 1\n{conflict}")
    with pytest.raises(MergeMarkers) as error:
        locks.read(path)
    assert [lock.sources for lock in error.value.sides] == [(), ()]


def test_nested_too_deeply(path):
    assert failure(path, f"lock-version = 1\nx = {'[' * 10_000}{']' * 10_000}\n").startswith(
        "error: `sparse.lock` is nested too deeply\n"
    )


def test_merge_markers_with_other_line_ends(path):
    failure(path, TEXT.replace("\n", "\r\n") + "=======\r\n", MergeMarkers)


def test_not_toml(path):
    assert failure(path, "lock-version = 1\nx =\n") == (
        "error: `sparse.lock` is not TOML: invalid value\n  --> sparse.lock:2:4\n\n"
        "hint: restore it from version control, or delete it and run `sparsebuild lock`"
    )


def test_not_utf8(path):
    assert failure(path, b"\xff").startswith("error: `sparse.lock` is not UTF-8\n")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("lock-version = 1", "", "`lock-version` is missing"),
        ("lock-version = 1", "lock-version = true", "`lock-version` is True"),
        ("lock-version = 1", 'lock-version = "1"', "`lock-version` is '1'"),
        ('name = "model"\n', "", "a source has no `name`"),
        ('name = "model"', 'name = "data.train"', "two sources have the same name"),
        ('kind = "pypi-model"', "kind = 1", "source `model` has no `kind`"),
        ('version = "1.0"', "version = 1.0", "source `model` has no `version`"),
        ("size = 684", "size = -1", "source `model` has no size for `config.json`"),
        ("size = 684", "size = 684.0", "source `model` has no size for `config.json`"),
        (B, "b" * 63, "source `model` has no sha256 for `model.safetensors`"),
        (B, "B" * 64, "source `model` has no sha256 for `model.safetensors`"),
        ("config.json", "model.safetensors", "source `model` names a file twice"),
        ("config.json", "../x", "source `model` has the path '../x': it has an empty part, `.` or `..`"),
        ("files = [\n", "files = [\n  1,\n", "`files` of source `data.train` is not a list of tables"),
    ],
)
def test_malformed(path, old, new, fault):
    assert failure(path, TEXT.replace(old, new, 1)) == (
        f"error: `sparse.lock` is not a lock: {fault}\n\n"
        "hint: restore it from version control, or delete it and run `sparsebuild lock`"
    )


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "C:/x", "a\\b", "a\0", "a/", "\ud800", "a..", "a /b"),
        *("NUL", "com1.json", "a/aux.b.c", "ü" * 128, "a/" * 512 + "b"),
    ],
)
def test_paths_that_lead_out(path):
    assert path_fault(path)


@pytest.mark.parametrize("path", ["config.json", "a/b c/ü.jsonl", "..a", ".hidden", "null", "com", "console.md"])
def test_paths_that_stay_inside(path):
    assert path_fault(path) == ""


@pytest.mark.parametrize(
    ("paths", "fault"),
    [
        (["a", "b/a", "b/c"], ""),
        (["a", "A"], "'a' and 'A' are one name on some disks"),
        (["a/x", "A/y"], "'a' and 'A' are one name on some disks"),
        (["\u00e9", "e\u0301"], "'é' and 'e\u0301' are one name on some disks"),
        (["stra\u00dfe", "STRASSE"], "'straße' and 'STRASSE' are one name on some disks"),
        (["a", "a"], "'a' is there twice"),
        (["a/b", "a"], "'a' is both a file and a folder"),
    ],
)
def test_names_that_stand_in_one_folder(paths, fault):
    assert names_fault(paths) == fault


def test_a_source_and_its_files_have_lines():
    lock = Lock(sources=(MODEL, ROWS))
    lines = locks.text(lock).splitlines()
    assert lines[locks.line_of(lock, "model") - 1] == 'name = "model"'
    assert B in lines[locks.line_of(lock, "model", "model.safetensors") - 1]
    assert locks.line_of(lock, "data.train", "config.json") == locks.line_of(lock, "teacher") == 0
