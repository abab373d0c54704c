"""Where things lie: in a project, and in the user's cache."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from sparsebuild.errors import UserError

__all__ = ["LOCK_NAME", "MANIFEST_NAME", "NO_VARIANT", "ProjectLayout", "built", "cache_folder", "mark_as_cache"]

MANIFEST_NAME = "sparse.toml"
LOCK_NAME = "sparse.lock"
NO_VARIANT = "(no variant)"  # what the project's own model is called among its variants


@dataclass(frozen=True, slots=True)
class ProjectLayout:
    """The folders of one project; nothing is created by asking."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST_NAME

    @property
    def lock(self) -> Path:
        return self.root / LOCK_NAME

    @property
    def state(self) -> Path:
        """Ours alone: records, work in progress, candidates, logs. Safe to delete."""
        return self.root / ".sparsebuild"

    @property
    def locks(self) -> Path:
        """Locks of sources that were asked for in place of those of `sparse.toml`, for a run."""
        return self.state / "locks"

    @property
    def stats(self) -> Path:
        """The digests of files that nobody wrote to since."""
        return self.state / "stats.json"

    def lock_files(self) -> list[Path]:
        """`sparse.lock`, and the locks apart."""
        return [self.lock, *sorted(self.locks.glob("*.lock"))]

    @property
    def build(self) -> Path:
        """What the user came for."""
        return self.root / "build"


def built(what: str, variant: str = "") -> str:
    """The folder of a result: `build/export`, and that of a variant `build/variants/ffn384/export`."""
    return f"build/variants/{variant}/{what}" if variant else f"build/{what}"


def cache_folder() -> Path:
    """The user's cache, shared by projects: `SPARSEBUILD_CACHE_DIR`, or the platform's place for caches.

    Raises UserError where there is neither.
    """
    named = os.environ.get("SPARSEBUILD_CACHE_DIR")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "sparsebuild"
    except RuntimeError:
        raise UserError(
            "you have no home folder, where the cache would be", hint="set SPARSEBUILD_CACHE_DIR to a folder"
        ) from None


def mark_as_cache(folder: Path) -> None:
    """Create `folder` if need be and tell git and backup programs to leave it alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        (".gitignore", "*\n"),
        ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n"),
    ):
        with contextlib.suppress(FileExistsError), (folder / name).open("x") as file:  # "x" follows no link
            file.write(text)
