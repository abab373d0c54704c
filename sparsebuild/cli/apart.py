"""Locks apart: what the sources are that a profile or a `--set` asks for. `sparse.lock` is for those of the file."""

from __future__ import annotations

from sparsebuild import lock as locks
from sparsebuild.atomic import refuse_links
from sparsebuild.digest import canonical_json, text_digest
from sparsebuild.errors import ManifestError
from sparsebuild.layout import ProjectLayout, mark_as_cache
from sparsebuild.lock import Lock
from sparsebuild.manifest import Manifest, Written, parse

__all__ = ["asks_otherwise", "in_force", "keep", "shown"]


def asks_otherwise(written: Written, manifest: Manifest) -> bool:
    """Whether `manifest` asks for other sources than the file does without what is laid over it."""
    from sparsebuild.resolve import requests

    try:
        return requests(parse(written.text)) != requests(manifest)
    except ManifestError:  # the file is only whole with its profile
        return True


def in_force(layout: ProjectLayout, manifest: Manifest, committed: Lock | None) -> Lock | None:
    """`sparse.lock`, with the answers of the lock apart for what it was not asked; itself where it answers all."""
    from sparsebuild.resolve import answering

    kept = _read(layout, manifest)
    if kept is None:
        return committed
    lock = answering(manifest, [committed, kept] if committed else [kept])
    return committed if lock == committed else lock


def keep(layout: ProjectLayout, manifest: Manifest, lock: Lock) -> None:
    """Write the lock apart."""
    mark_as_cache(layout.state)
    path = layout.root / shown(layout, manifest)
    refuse_links(layout.root, path.parent)
    path.parent.mkdir(exist_ok=True)
    locks.write(path, lock)


def shown(layout: ProjectLayout, manifest: Manifest) -> str:
    """Where the lock apart stands, as a person would type it in the project."""
    from sparsebuild.resolve import requests

    asked = text_digest(canonical_json([[request.name, *request.question] for request in requests(manifest)]))
    return (layout.locks / f"{asked[:16]}.lock").relative_to(layout.root).as_posix()


def _read(layout: ProjectLayout, manifest: Manifest) -> Lock | None:
    return next(locks.each([layout.root / shown(layout, manifest)]), None)  # ours: made again where it is of no use
