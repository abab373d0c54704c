"""The projects that `init` can start from: folders under `templates/`, each with a `sparse.toml`."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from sparsebuild.cli.staging import stage
from sparsebuild.errors import UserError
from sparsebuild.layout import MANIFEST_NAME
from sparsebuild.registry import did_you_mean

__all__ = ["copy", "find", "summary", "templates"]

# What building or checking a template in the checkout leaves there.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*_cache", ".sparsebuild", "build")


def templates() -> Mapping[str, Path]:
    """Name to folder, in order of the names."""
    found = (folder for folder in sorted(_root().iterdir()) if (folder / MANIFEST_NAME).is_file())
    return {folder.name: folder for folder in found}


def find(name: str) -> Path:
    """The folder of the template; an unknown name is a UserError that lists the ones there are."""
    known = templates()
    if name not in known:
        hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
        raise UserError(f"no template is called `{name}`", hint=hint)
    return known[name]


def summary(folder: Path) -> str:
    """The first comment of its sparse.toml: what the template is for."""
    lines = (folder / MANIFEST_NAME).read_text(encoding="utf-8").splitlines()
    return next((line.strip("# ") for line in lines if line.startswith("#")), "")


def copy(template: Path, destination: Path) -> None:
    """Copy the template into `destination`, which is empty or not there. All of it arrives, or nothing."""
    destination.mkdir(parents=True, exist_ok=True)
    staging = stage("init", destination)
    try:
        # Contents only: an installed template may be read-only, what the user gets must not be.
        shutil.copytree(template, staging, copy_function=_copied, ignore=_LEFT_OUT, dirs_exist_ok=True)
        for folder in (staging, *(path for path in staging.rglob("*") if path.is_dir())):
            folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
        for path in staging.iterdir():
            path.rename(destination / path.name)
    finally:
        shutil.rmtree(staging)


def _copied(source: str, destination: str) -> None:
    from sparsebuild.engine.blame import blamed_anywhere

    try:
        shutil.copyfile(source, destination)
    except OSError as error:  # of which `copytree` would make a list
        raise blamed_anywhere(error) or error from error


def _root() -> Path:
    """Inside an installed package, or at the top of the checkout."""
    package = Path(__file__).parent.parent
    packaged = package / "templates"
    return packaged if packaged.is_dir() else package.parent / "templates"
