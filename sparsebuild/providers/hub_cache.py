"""The user's own cache of the Hub's client: what is there is used, and what we download is put there too.

    <HF_HUB_CACHE>/models--org--name/blobs/<etag>            the bytes: by sha256 if in LFS, else by git's name
    <HF_HUB_CACHE>/models--org--name/snapshots/<commit>/…    the files of a commit: links to blobs
    <HF_HUB_CACHE>/models--org--name/refs/<branch>           the commit that a branch was

Nothing here is believed: callers compare sha256. A cache that cannot be written is left alone.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from sparsebuild.lock import path_fault
from sparsebuild.providers.hub import Repository

__all__ = ["commit_of", "find", "keep", "remember", "throw_away"]


def find(repository: Repository, commit: str, path: str, sha256: str = "") -> Path | None:
    """Where the cache has a file of a commit, or a file of that sha256 which another commit shares."""
    folder = _folder(repository)
    for known in (folder / "snapshots" / commit / path, folder / "blobs" / sha256 if sha256 else None):
        if known and known.is_file():
            return known
    return None


def commit_of(repository: Repository, revision: str) -> str:
    """The commit that a branch or tag was when it was last asked for; empty where nobody did."""
    if re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    try:
        known = (_folder(repository) / "refs" / revision).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return known if re.fullmatch("[0-9a-f]{40}", known) else ""


def remember(repository: Repository, revision: str, commit: str) -> None:
    """Note what a branch or tag is, as the Hub's client does."""
    if revision != commit and not path_fault(revision):
        ref = _folder(repository) / "refs" / revision
        try:
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(commit, encoding="utf-8")
        except OSError:
            pass


def keep(repository: Repository, commit: str, path: str, etag: str, file: Path) -> None:
    """Put a copy of a file of `commit` into the cache, so that other programs need not download it."""
    folder = _folder(repository)
    blob, pointer = folder / "blobs" / etag, folder / "snapshots" / commit / path
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        if not blob.exists():
            new = blob.with_name(f"{etag}.{secrets.token_hex(4)}.incomplete")
            try:
                shutil.copyfile(file, new)
                new.replace(blob)
            finally:
                new.unlink(missing_ok=True)
        if not pointer.exists():
            pointer.unlink(missing_ok=True)  # a link to a blob that is gone
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        pass


def throw_away(repository: Repository, file: Path) -> None:
    """Remove a file that is not what it says, and the blob of this repository that it is a link to."""
    blob = file.resolve()
    try:
        if blob.parent == (_folder(repository) / "blobs").resolve():
            blob.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
    except OSError:
        pass


def _folder(repository: Repository) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository.name, repo_type=repository.kind)
