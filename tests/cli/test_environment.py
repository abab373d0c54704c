"""Disks and rights that do not let us: 2 and one clear error, not a bug of ours."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for less than root may")


def as_anybody():
    """Have rights count for root, too."""
    for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0)


@pytest.fixture
def run(project):
    def call(*words, **streams):
        command = [sys.executable, "-m", "sparsebuild", *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.run(command, preexec_fn=as_anybody, cwd=project, text=True, check=False, **streams)

    return call


@pytest.fixture
def forbid():
    """Take rights to a path away, until the end."""
    modes = {}

    def call(path, mode):
        modes[path] = path.stat().st_mode
        path.chmod(mode)

    yield call
    for path, mode in modes.items():
        path.chmod(mode)


def told(done):
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    return done.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["lock"], "sparse.lock in the project"),
        (["add", "data.test", "file:data/train.jsonl"], "sparse.toml in the project"),
        (["init", "new"], "new in the project"),
        (["run"], "sparse.lock in the project"),
        (["run", "--set", "data.test=data/train.jsonl"], ".sparsebuild in the project"),
    ],
    ids=str,
)
def test_a_project_that_may_only_be_read(words, name, run, project, forbid):
    forbid(project, 0o555)
    assert told(run(*words)).endswith(
        f"error: cannot read or write {name}: Permission denied\n\n"
        f"hint: check who owns {project}, and that its disk is not read-only\n"
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("model", ["status"]),
        ("model/config.json", ["lock"]),
        (".sparsebuild", ["status"]),
        (".sparsebuild", ["clean", "-n"]),
    ],
    ids=str,
)
def test_what_may_not_be_read_is_named(path, words, run, project, forbid):
    (project / ".sparsebuild").mkdir()
    forbid(project / path, 0)
    assert told(run(*words)).startswith(f"error: cannot read or write {path}")


def test_a_cache_that_may_not_be_read_is_named(run, project, forbid, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("forbidden")
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(cache))
    forbid(cache, 0)
    assert f"hint: check who owns {cache}, or set SPARSEBUILD_CACHE_DIR" in told(run("gc"))


def test_of_a_cache_that_may_only_be_read_it_is_told_what_stays(run, tmp_path_factory, monkeypatch, forbid):
    cache = tmp_path_factory.mktemp("forbidden")
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(cache))
    (cache / "temporary").mkdir()
    folder = cache / "objects" / "aa"
    folder.mkdir(parents=True)
    (folder / ("a" * 64)).touch()
    forbid(folder, 0o555)
    done = run("cache", "clean", "--yes")
    assert told(done) == (
        "error: 1 file of the cache could not be removed: Permission denied\n\n"
        f"hint: check who owns {cache}, and that its disk is not read-only\n"
    )


@pytest.mark.parametrize("words", [["schema"], ["run", "-n", "--json"]], ids=str)
def test_a_stdout_that_is_full(words, run):
    with Path("/dev/full").open("w") as full:
        assert told(run(*words, stdout=full)).startswith("error: cannot ")


def test_a_stderr_that_is_full_fails_no_target(run):
    run("lock")
    with Path("/dev/full").open("w") as full:
        assert run("fetch", stderr=full).returncode == 2
    assert "failed" not in run("status").stdout


@pytest.mark.parametrize("cache", ["/dev/null/cache", "{project}/sparse.toml"])
def test_a_cache_that_can_be_no_folder_is_named(run, project, monkeypatch, cache):
    run("lock")
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", cache := cache.format(project=project))
    said = told(run("run", "fetch@model"))
    assert "error: cannot read or write the cache: " in said
    assert f"hint: check who owns {cache}, or set SPARSEBUILD_CACHE_DIR to a folder of your own" in said


def test_a_folder_whose_name_is_no_utf8_is_shown(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUTF8", "1")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", os.fsdecode(bytes(tmp_path) + b"/\xff"))
    done = run("cache", "dir")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/\\udcff\n")


def test_closed_streams_are_no_error(project):
    command = f"{sys.executable} -m sparsebuild status <&- >&- 2>&-"
    assert subprocess.run(command, shell=True, cwd=project, check=False).returncode == 0


@pytest.mark.parametrize("words", ["--version", "-C {project} status"])
def test_what_needs_no_current_folder_works_where_it_is_gone(words, project):
    assert (gone := in_a_folder_that_is_gone(words, project)).returncode == 0, gone.stderr


@pytest.mark.parametrize("words", ["status", "init new", "run", "-C x status", "recipe show r.yaml", "gc", "try hi"])
def test_a_current_folder_that_is_gone_is_told(words, project):
    told(in_a_folder_that_is_gone(words, project))


def in_a_folder_that_is_gone(words, project):
    command = (
        f"mkdir gone && cd gone && rmdir ../gone && {sys.executable} -m sparsebuild {words.format(project=project)}"
    )
    return subprocess.run(command, shell=True, cwd=project, capture_output=True, text=True, check=False)
