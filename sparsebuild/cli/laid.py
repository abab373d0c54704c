"""What had been laid over sparse.toml when each target was built, so that `why` can tell of a `--set` of yesterday."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from sparsebuild.atomic import write_bytes
from sparsebuild.layout import ProjectLayout
from sparsebuild.manifest import Written
from sparsebuild.origins import Laid
from sparsebuild.reading import read_json

__all__ = ["note", "reader"]


def reader(layout: ProjectLayout) -> Callable[[str], Laid]:
    """Tells of a target what was noted; the file is read when somebody asks, once."""
    known = cache(lambda: _read(layout))

    def of(target: str) -> Laid:
        return Laid(**known().get(target, {}))

    return of


def note(layout: ProjectLayout, targets: Collection[str], written: Written) -> None:
    """Note that `targets` were built, or restored, with what is laid over the file now."""
    known = _read(layout)
    now = {"profile": written.profile, "settings": [said.text for said in written.settings]}
    kept = {target: told for target, told in known.items() if target not in targets}
    new = {**kept, **dict.fromkeys(targets, now)} if written.is_changed else kept
    if new != known:
        write_bytes(layout.state / "laid-over.json", json.dumps(new).encode(), durable=False)


def _read(layout: ProjectLayout) -> Mapping[str, Any]:
    try:
        data = read_json(layout.state / "laid-over.json")
        return {
            t: {"profile": str(was["profile"]), "settings": [*map(str, was["settings"])]} for t, was in data.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
