"""`--set` and `--profile`: other values for one command. Only sources are fetched here, which needs no worker."""

import shutil

import pytest

from sparsebuild import lock as locks
from sparsebuild.cli.project import open_project

PROFILES = """
[profile.quick.train]
seed = 7

[profile.other.data]
train = "data/other.jsonl"
"""


@pytest.fixture
def built(project, sparsebuild):
    """A project with profiles, its sources fetched."""
    with (project / "sparse.toml").open("a") as stream:
        stream.write(PROFILES)
    (project / "data" / "other.jsonl").write_text('{"tokens": ["ada"], "ner_tags": ["B-person"]}\n')
    assert sparsebuild("run", "fetch", cwd=project).code == 0
    return project


def locked_apart(folder):
    return [(path, path.stat().st_mtime_ns) for path in (folder / ".sparsebuild" / "locks").iterdir()]


def fetched(folder):
    return [path.name for path in (folder / ".sparsebuild" / "fetch" / "data.train").iterdir()]


def test_other_sources_are_built_and_the_lock_stays(built, sparsebuild):
    before = (built / "sparse.lock").read_bytes()
    ran = sparsebuild("run", "fetch", "--set", "data.train=data/other.jsonl", cwd=built)
    assert (ran.code, fetched(built)) == (0, ["other.jsonl"])
    assert ran.err.splitlines()[0].startswith("`--set data.train=data/other.jsonl` asks for other sources: locking")
    assert ran.err.splitlines()[0].endswith(".lock; sparse.lock stays as it is")
    assert (built / "sparse.lock").read_bytes() == before


def test_what_was_locked_apart_is_not_locked_again_and_the_way_back_is_open(built, sparsebuild):
    sparsebuild("run", "fetch", "--profile", "other", cwd=built)
    before = locked_apart(built)
    ran = sparsebuild("run", "fetch", "--profile", "other", cwd=built)
    assert ran.err.startswith("nothing to do: 3 targets up to date")
    assert locked_apart(built) == before
    told = sparsebuild("why", "fetch@data.train", cwd=built).out
    assert "other.jsonl is gone, train.jsonl was added (sparse.lock:9)" in told
    assert "restored from the store" in sparsebuild("run", "fetch", cwd=built).err
    assert fetched(built) == ["train.jsonl"]


@pytest.mark.parametrize("words", [["run", "fetch", "--locked"], ["lock", "--check"]])
def test_other_sources_are_no_answer_to_a_locked_run(words, built, sparsebuild):
    sparsebuild("run", "fetch", "--profile", "other", cwd=built)
    ran = sparsebuild(*words, "--profile", "other", cwd=built)
    assert ran.code == 3
    assert ran.err.startswith("error: `sparse.lock` does not answer `--profile other`, which asks for other sources\n")


def test_other_settings_need_no_other_lock(built, sparsebuild):
    assert sparsebuild("run", "fetch", "--locked", "--set", "train.seed=3", "--profile", "quick", cwd=built).code == 0
    assert not (built / ".sparsebuild" / "locks").exists()


def test_a_lock_that_is_out_of_date_is_written_as_ever_when_only_settings_are_laid_over(built, sparsebuild):
    with (built / "data" / "train.jsonl").open("a") as stream:
        stream.write('{"tokens": ["ada"], "ner_tags": ["B-person"]}\n')
    ran = sparsebuild("run", "fetch", "--set", "train.seed=3", cwd=built)
    assert ran.err.splitlines()[0] == "sparse.lock is out of date: locking"
    assert sparsebuild("lock", "--check", cwd=built).code == 0


def test_a_wrong_word_is_2_and_says_what_was_meant(built, sparsebuild):
    ran = sparsebuild("status", "--set", "train.sed=3", cwd=built)
    assert (ran.code, ran.err) == (
        2,
        "error: unknown key `train.sed` in `--set train.sed=3`\n\nhint: did you mean `seed`?\n",
    )
    assert "did you mean `quick`?" in sparsebuild("status", "--profile", "quik", cwd=built).err


def test_a_source_that_is_not_there_is_named_by_its_set(built, sparsebuild):
    ran = sparsebuild("run", "fetch", "--set", "model.source=nowhere", cwd=built)
    assert ran.code in (2, 4)
    assert "in `--set model.source=nowhere`" in ran.err


@pytest.mark.parametrize("command", ["status", "why", "lock"])
def test_looking_and_locking_take_them_too(command, built, sparsebuild):
    words = [command, *(["fetch@data.train"] if command == "why" else [])]
    ran = sparsebuild(*words, "--set", "data.train=data/other.jsonl", cwd=built)
    assert ran.code == 0
    assert "other.jsonl" in ran.out + ran.err


def test_a_lock_that_was_made_of_two_stands_in_a_file(built, sparsebuild):
    """Where `sparse.lock` has moved on, a later run with other sources has pins of both, and its steps look them up."""
    other = ("run", "fetch", "--set", "data.train=data/other.jsonl")
    sparsebuild(*other, cwd=built)
    with (built / "recipe.yaml").open("a") as stream:
        stream.write("# changed\n")
    assert sparsebuild("run", "fetch", cwd=built).code == 0
    assert sparsebuild(*other, cwd=built).code == 0
    in_force = open_project(built, settings=["data.train=data/other.jsonl"]).lock
    found = locks.each([built / "sparse.lock", *(built / ".sparsebuild" / "locks").iterdir()])
    assert locks.text(in_force) in map(locks.text, found)


def test_a_lock_apart_that_cannot_be_read_is_in_nobodys_way(built, sparsebuild):
    sparsebuild("run", "fetch", "--profile", "other", cwd=built)
    (built / ".sparsebuild" / "locks" / "0.lock").write_text("<<<<<<< ours\n")
    shutil.rmtree(built / ".sparsebuild" / "fetch")
    assert sparsebuild("run", "fetch", "--profile", "other", cwd=built).code == 0


def test_an_edited_lock_is_not_believed_by_a_run_that_began_before(built):
    """The step takes the source with the bytes that its question names, or none."""
    from sparsebuild.engine.action import File
    from sparsebuild.errors import LockOutOfDate
    from sparsebuild.layout import ProjectLayout
    from sparsebuild.steps import fetch

    pinned = (File(path="train.jsonl", size=1, sha256="0" * 64),)
    with pytest.raises(LockOutOfDate, match="no longer has the source"):
        fetch._locked(ProjectLayout(built), "data.train", pinned)
