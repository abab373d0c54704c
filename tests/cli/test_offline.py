"""--offline, --frozen, --locked and `fetch`: nobody is asked who may not be, and what is missing is told at once."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub
import hubs

from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.lock import text as text_of

# Imported by Python when it starts, in every child too: a socket is noted, and the process ends.
WATCH = """
import os, sys
def watch(event, arguments):
    if event.startswith("socket."):
        open({log!r}, "a").write(f"{{event}} {{arguments[1:]}}\\n")
        os._exit(99)
sys.addaudithook(watch)
"""


@pytest.fixture
def watched(tmp_path_factory, process):
    """Runs the command, and ends it at the first socket that anything of it opens."""
    folder = tmp_path_factory.mktemp("watch")
    (folder / "sitecustomize.py").write_text(WATCH.format(log=str(folder / "sockets")))

    def run(*words, **more):
        ran = process(*words, **more, PYTHONPATH=str(folder))
        sockets = folder / "sockets"
        assert ran.code == 99 or not sockets.exists(), sockets.read_text()
        return ran

    return run


@pytest.fixture
def at_hub(tmp_path, monkeypatch, project):
    """The project with its model and its rows at a Hub, and a cache of its own."""
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path / "cache"))
        files = {path.name: path.read_bytes() for path in (project / "model").iterdir()}
        server.push("model", "org/bert", {**files, "model.safetensors": hubs.safetensors()})
        rows = {f"{split}.jsonl": (project / f"data/{split}.jsonl").read_bytes() for split in ("train", "validation")}
        server.push("dataset", "org/rows", rows)
        text = (project / "sparse.toml").read_text().replace('source = "model"', 'source = "hf:org/bert"')
        text = text.replace('"data/', '"hf:org/rows#')
        (project / "sparse.toml").write_text(text)
        yield server


def pinned(project):
    """The project with a model that is locked and nowhere on this machine."""
    manifest = project / "sparse.toml"
    manifest.write_text(manifest.read_text().replace('source = "model"', 'source = "pypi:tiny==1.0"', 1))
    files = (
        LockedFile(path="config.json", size=684, sha256="a" * 64),
        LockedFile(path="model.safetensors", size=438_000_000, sha256="b" * 64),
    )
    model = LockedSource(name="model", kind="pypi-model", request="pypi:tiny==1.0", version="1.0", files=files)
    (project / "sparse.lock").write_text(text_of(Lock(sources=(model,))))
    return project


def test_the_watch_sees_a_socket(at_hub, project, watched):
    assert watched("lock", cwd=project).code == 99


def test_fetched_once_all_commands_work_without_a_socket(at_hub, project, sparsebuild, watched, tmp_path):
    fetched = sparsebuild("fetch", "--json", cwd=project)
    assert fetched.code == 0, fetched.err
    assert {source["name"]: source["files"] for source in fetched.json["sources"]} == {
        "data.train": 1,
        "data.validation": 1,
        "model": 4,
        "recipe": 1,
    }
    asked = len(at_hub.asked)
    for words in (["fetch"], ["run", "prepare"], ["run", "-n"], ["lock"], ["lock", "-n"], ["status"]):
        ran = watched(*words, "--offline", cwd=project)
        assert ran.code == 0, (words, ran.err)
    # All that is in the project may go; the cache has it, the Hub's own cache too.
    for words in (["clean"], ["run", "prepare"], ["lock", "--check"], ["why", "train"], ["tree"]):
        assert watched(*words, cwd=project, SPARSEBUILD_OFFLINE="1").code == 0, words
    assert len(at_hub.asked) == asked


def test_all_that_is_missing_is_listed_with_sizes(at_hub, project, sparsebuild, watched, tmp_path):
    sparsebuild("lock", cwd=project)
    empty = {name: str(tmp_path / "empty") for name in ("SPARSEBUILD_CACHE_DIR", "HF_HUB_CACHE", "HF_HOME")}
    for words in (["run"], ["fetch"], ["run", "-n"], ["status"]):
        ran = watched(*words, "--offline", cwd=project, **empty)
        told = [line for line in ran.err.splitlines() if line.startswith("error: ")]
        assert ran.code == 4, (words, ran.err)
        assert [line.split("`")[1] for line in told] == ["data.train", "data.validation", "model"], words
        assert "this run is offline: train.jsonl (" in told[0]
        assert ran.err.count("hint: run once without `--offline`") == 1


def test_a_recipe_that_is_missing_is_listed_with_all_else(at_hub, project, sparsebuild, watched, tmp_path):
    at_hub.push("model", "org/recipes", {"recipe.yaml": (project / "recipe.yaml").read_bytes()})
    manifest = project / "sparse.toml"
    manifest.write_text(manifest.read_text().replace('"recipe.yaml"', '"hf:org/recipes"'))
    assert sparsebuild("lock", cwd=project).code == 0
    shutil.rmtree(project / ".sparsebuild")
    empty = {name: str(tmp_path / "empty") for name in ("SPARSEBUILD_CACHE_DIR", "HF_HUB_CACHE", "HF_HOME")}
    for words in (["run"], ["fetch"], ["run", "-n"]):
        ran = watched(*words, "--offline", cwd=project, **empty)
        told = [line.split("`")[1] for line in ran.err.splitlines() if line.startswith("error: ")]
        assert (ran.code, told) == (4, ["data.train", "data.validation", "model", "recipe"]), (words, ran.err)


def test_a_model_that_is_pinned_but_not_here(project, watched):
    pinned(project)
    assert watched("lock", "--offline", cwd=project).code == 0
    ran = watched("run", "--offline", cwd=project)
    assert (ran.code, ran.err.splitlines()[-3]) == (
        4,
        "error: `model` is not in the cache, and this run is offline: config.json (684 bytes), "
        "model.safetensors (438.0 MB)",
    )


def test_what_was_never_locked_is_missing_too(at_hub, project, watched):
    ran = watched("lock", "--offline", cwd=project)
    assert ran.code == 4
    assert "`org/bert` is not in the Hub's cache, and this run is offline" in ran.err
    assert not (project / "sparse.lock").exists()


def test_a_part_is_fetched(project, sparsebuild):
    sparsebuild("fetch", "fetch@model", cwd=project)
    assert [path.name for path in (project / ".sparsebuild" / "fetch").iterdir()] == ["model"]


def test_frozen_builds_from_the_lock_whatever_the_files_are_now(project, sparsebuild):
    sparsebuild("fetch", cwd=project)
    lock = (project / "sparse.lock").read_text()
    (project / "data" / "train.jsonl").unlink()
    ran = sparsebuild("run", "fetch", "--frozen", cwd=project)
    assert (ran.code, "warning" in ran.err) == (0, False), ran.err
    assert (project / "sparse.lock").read_text() == lock
    text = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(text.replace("data/train.jsonl", "data/other.jsonl"))
    ran = sparsebuild("run", "fetch", "--frozen", cwd=project)
    assert ran.code == 0
    assert ran.err.splitlines()[:2] == [
        "warning: sparse.lock is taken as it is, but sparse.toml asks for something else",
        "warning: data.train: request file:data/train.jsonl -> file:data/other.jsonl",
    ]


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["--frozen"], 3, "error: there is no `sparse.lock`"),
        (["--locked"], 3, "error: there is no `sparse.lock`"),
        (["--locked", "--dry-run"], 3, "error: there is no `sparse.lock`"),
        (["--locked", "--frozen"], 2, "error: `--frozen` and `--locked` exclude each other"),
    ],
)
def test_there_is_a_lock_to_hold_on_to(project, sparsebuild, words, code, fault):
    ran = sparsebuild("run", *words, cwd=project)
    assert (ran.code, ran.err.splitlines()[0]) == (code, fault)


def test_a_frozen_lock_that_lacks_a_source_is_3(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    with (project / "sparse.toml").open("a") as stream:
        stream.write('[teacher]\nsource = "model"\n')
    ran = sparsebuild("run", "--frozen", cwd=project)
    assert (ran.code, ran.err.splitlines()[1]) == (3, "  teacher: added, file:model")


def test_in_ci_a_lock_is_not_changed_unseen(project, sparsebuild):
    assert sparsebuild("fetch", cwd=project, CI="true").code == 0
    (project / "data" / "train.jsonl").write_text(json.dumps({"tokens": ["ada"], "ner_tags": ["O"]}) + "\n")
    assert sparsebuild("fetch", cwd=project, CI="true").code == 3
    ran = sparsebuild("fetch", "--no-locked", cwd=project, CI="true")
    assert ran.code == 0
    assert "data.train: file train.jsonl sha256 " in ran.err
    assert " -> sha256 " in ran.err
