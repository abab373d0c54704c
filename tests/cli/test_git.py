"""cli/git.py: files of a commit, from a repository that may be a trap."""

import os
import shutil
import subprocess

import pytest

from sparsebuild.cli import git
from sparsebuild.errors import UserError

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def run(folder, *words, check=True):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *identity, *words], cwd=folder, check=check, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    """A project in a folder of a repository, committed twice."""
    project = tmp_path / "repository" / "project"
    project.mkdir(parents=True)
    run(project.parent, "init", "--quiet", "--initial-branch=main")
    for text in ("first", "second"):
        (project / "sparse.toml").write_text(text)
        run(project, "add", ".")
        run(project, "commit", "--quiet", "-m", text)
    return project


@pytest.mark.parametrize(("name", "text"), [("HEAD", b"second"), ("HEAD~1", b"first"), ("main", b"second")])
def test_a_file_is_read_as_it_was_committed(repository, name, text):
    (repository / "sparse.toml").write_text("not committed")
    assert git.read(git.find(repository, name), "sparse.toml") == text
    assert git.read(git.find(repository, name), "other") is None


def test_a_repository_named_by_the_environment_is_not_asked(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git.read(git.find(repository, "HEAD"), "sparse.toml") == b"second"


@pytest.mark.parametrize("name", ["nothing", "--all", "HEAD:project", "HEAD~1..HEAD"])
def test_what_is_no_commit_is_an_error(repository, name):
    with pytest.raises(UserError, match=f"git knows no commit `{name}`"):
        git.find(repository, name)


def test_no_repository_is_an_error_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="in no git repository") as caught:
        git.find(tmp_path, "HEAD")
    assert caught.value.problems[0].hint.startswith("name a folder")


def test_no_git_is_an_error_with_a_way_out(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="git is not installed"):
        git.find(repository, "HEAD")


def test_a_repository_runs_none_of_the_programs_that_its_config_names(repository, tmp_path):
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\necho $0 >> {sprung}\nexit 1\n")
    trap.chmod(0o755)
    blob = run(repository, "rev-parse", "HEAD:./sparse.toml").strip()
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",  # a missing object is fetched when it is asked for
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{trap}",
        "protocol.ext.allow": "always",
        "core.fsmonitor": str(trap),
        "core.pager": str(trap),
        "core.hooksPath": str(tmp_path),
        "diff.external": str(trap),
        "gpg.program": str(trap),
        "log.showSignature": "true",
        "alias.rev-parse": f"!{trap}",
    }.items():
        run(repository, "config", key, value)
    objects = repository.parent / ".git" / "objects"
    os.remove(objects / blob[:2] / blob[2:])  # noqa: PTH107 - it is read-only, which is no matter
    assert git.read(git.find(repository, "HEAD"), "sparse.toml") is None
    assert not sprung.exists()
    run(repository, "cat-file", "blob", blob, check=False)
    assert sprung.exists()  # so the trap was a real one
