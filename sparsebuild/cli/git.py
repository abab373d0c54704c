"""Files of another commit, asked of git.

A stranger's project may hold a `.git` whose config names programs, and looking at it must run none of them. So only
`rev-parse` and `cat-file` are used, which draw nothing, check nothing and filter nothing (`git show` would run
`gpg.program`, `git status` the file monitor); what such a config could still reach is switched off: fetching the
missing objects of a partial clone, which starts whatever program stands in a remote's address. The config of the user
and of the machine is left as it is: it is theirs, and says which folders they trust.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sparsebuild.errors import UserError

__all__ = ["Commit", "find", "read"]

_CONFIG = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "safe.bareRepository=explicit")
_THEIRS = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"}
_FOLDER = "name a folder to compare with instead: `sparsebuild diff ../other`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit of the repository that `folder` lies in."""

    folder: Path
    name: str  # as the user named it
    sha: str


def find(folder: Path, name: str) -> Commit:
    """The commit that `name` (a branch, a tag, `HEAD~2`) means; raises UserError."""
    asked = "" if name.startswith("-") else name  # it would be read as an option
    done = _git(folder, "rev-parse", "--verify", f"{asked}^{{commit}}")
    if done.returncode == 0:
        return Commit(folder=folder, name=name, sha=done.stdout.decode().strip())
    said = done.stderr.decode(errors="replace").strip()
    if "not a git repository" in said:
        raise UserError(f"`{name}` cannot be looked up: this project is in no git repository", hint=_FOLDER)
    if "dubious ownership" in said:
        raise UserError(f"git does not open this repository: {said.splitlines()[0]}", hint=_FOLDER)
    raise UserError(f"git knows no commit `{name}`", hint="name a commit, or a folder that holds a sparse.toml")


def read(commit: Commit, path: str) -> bytes | None:
    """The bytes of a file as committed; `path` starts at the commit's folder. None where git has no such file."""
    done = _git(commit.folder, "cat-file", "blob", f"{commit.sha}:./{path}")
    return done.stdout if done.returncode == 0 else None


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    config = [word for setting in _CONFIG for word in ("-c", setting)]
    command = ["git", "--no-pager", *config, "-C", str(folder), *words]
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=_environment(), check=False)
    except FileNotFoundError:
        raise UserError("git is not installed, so no commit can be looked up", hint=_FOLDER) from None


def _environment() -> dict[str, str]:
    """Ours, without what would lead git to another repository (as inside a hook), and with no way to fetch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _THEIRS}
    # An empty list of allowed protocols; git older than 2.45 does not know the second.
    return {**kept, "LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
