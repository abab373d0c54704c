"""Taking public counterparts of SparseZoo models that are gone: written into `[sources.zoo]`, for all to see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sparsebuild.cli.editing import write_manifest
from sparsebuild.manifest import read_text
from sparsebuild.manifest.edit import edited

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project

__all__ = ["accepted", "with_replacements", "write"]


def accepted(project: Project) -> dict[str, str]:
    """The counterpart of each model that the manifest asks of the zoo, that is not locked yet, and that is nowhere."""
    from sparsebuild.providers.zoo import counterpart, is_gone
    from sparsebuild.resolve import requests

    pinned = {source.request for source in project.committed.sources} if project.committed else set()
    found = {}
    for request in requests(project.manifest):
        if request.kind == "zoo-model" and request.source not in pinned and is_gone(request.source, project.context):
            found[request.source] = counterpart(request.source)
    return {stub: source for stub, source in found.items() if source}


def write(manifest: Path, replacements: Mapping[str, str]) -> None:
    """Add `replacements` to the `[sources.zoo]` of the file; the rest of it stays as it is."""
    write_manifest(manifest, with_replacements(read_text(manifest), replacements))


def with_replacements(text: str, replacements: Mapping[str, str]) -> str:
    """The manifest's text with more in its `[sources.zoo]`."""
    return edited(text, {("sources", "zoo", stub): source for stub, source in replacements.items()})
