"""What a repository of the Hub holds at a commit, as the Hub listed it; kept for when nobody may be asked.

The user's Hub cache has those files that somebody wanted, and nothing there says which it lacks.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparsebuild.atomic import write_bytes
from sparsebuild.providers.hub import Listing, Remote, Repository
from sparsebuild.reading import read_json

__all__ = ["keep", "recall"]


def keep(temporary: Path, listing: Listing) -> None:
    """Note what was listed; a cache that cannot be written is left alone."""
    files = [asdict(remote) for _, remote in sorted(listing.files.items())]
    data = {"licence": listing.licence, "files": files}
    with suppress(OSError):
        write_bytes(_place(temporary, listing.repository, listing.commit), json.dumps(data).encode(), durable=False)


def recall(temporary: Path, repository: Repository, commit: str) -> Listing | None:
    """What was noted of a commit, which is the same for ever; None where nothing was."""
    try:
        data: Any = read_json(_place(temporary, repository, commit))
        files = {file["path"]: Remote(**file) for file in data["files"]}
        return Listing(repository=repository, commit=commit, files=files, licence=str(data["licence"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _place(temporary: Path, repository: Repository, commit: str) -> Path:
    name = hashlib.sha256(f"{repository.kind} {repository} {commit}".encode()).hexdigest()[:40]
    return temporary / "listings" / f"{name}.json"
