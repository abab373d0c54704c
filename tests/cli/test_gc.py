"""cli/gc.py and cli/cache.py: what the cache holds, for whom, and emptying it."""

import os

import pytest

from sparsebuild.engine.store import Store


@pytest.fixture
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("own-cache")


@pytest.fixture
def call(project, cache, sparsebuild):
    """The command in the project, with a cache of its own."""
    return lambda *words: sparsebuild(*words, cwd=project, SPARSEBUILD_CACHE_DIR=str(cache))


def grow_old(cache):
    for path in (cache / "objects").rglob("*"):
        os.utime(path, (0, 0))


def test_dry_by_default_and_only_what_nothing_needs_goes(project, cache, call):
    call("run", "fetch")
    data = project / "data" / "train.jsonl"
    data.write_text(data.read_text() * 2)
    call("run", "fetch")
    grow_old(cache)
    told = call("gc", "--json").json
    assert [(p["root"], p["is_there"]) for p in told["projects"]] == [(str(project), True)]
    assert (told["unneeded"]["files"], told["removed"]) == (1, None)
    ran = call("gc")
    assert ran.out.splitlines()[-1] == "nobody needs 2.0 kB in 1 file; `sparsebuild gc --yes` removes it"
    assert call("gc", "--yes").out.splitlines()[-1] == "removed 2.0 kB in 1 file"
    assert call("gc").out.splitlines()[-1] == "nothing to remove"


def test_the_recipe_of_a_lock_in_a_merge_conflict_is_needed(project, cache, call):
    call("lock")
    Store(cache).put(project / "recipe.yaml")
    lock = project / "sparse.lock"
    lock.write_text(f"<<<<<<< ours\n{lock.read_text()}=======\n>>>>>>> theirs\n")
    grow_old(cache)
    assert call("gc", "--json").json["unneeded"]["files"] == 0


def test_what_was_used_in_the_last_hour_stays_whatever_is_said(project, call):
    call("run", "fetch")
    (project / ".sparsebuild").rename(project / "aside")
    (project / "sparse.lock").unlink()
    told = call("gc", "--older-than", "0", "--yes", "--json").json
    assert (told["removed"]["files"], told["lately"]["files"]) == (0, 6)


@pytest.mark.parametrize("age", ["soon", "-1d", "3", "1.5h"])
def test_an_age_that_is_none_is_2(call, age):
    assert call("gc", f"--older-than={age}").code == 2


def test_the_cache_is_found_weighed_and_emptied(cache, call):
    call("run", "fetch")
    assert call("cache", "dir").out == f"{cache}\n"
    assert call("cache", "size", "--json").json["parts"]["objects"]["files"] == 6
    assert call("cache", "size").out.splitlines()[-1].endswith(f"in {cache}")
    assert call("cache", "clean").out.endswith("would go; `sparsebuild cache clean --yes` removes it\n")
    assert call("cache", "clean", "--yes").out.startswith("removed ")
    assert call("cache", "size", "--json").json["parts"]["objects"]["files"] == 0
    assert call("run", "fetch", "--json", "-q").code == 0
