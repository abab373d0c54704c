"""The versions of installed libraries, without importing them or parsing their metadata."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

__all__ = ["major_minor"]


@cache
def major_minor(name: str) -> str:
    """The first two numbers of an installed library's version, or "none": what can change the meaning of a step.

    Read from the name of its metadata folder: parsing the metadata of six libraries takes longer than all else that
    a run with nothing to do does.
    """
    wanted = re.sub(r"[-_.]+", "_", name).lower()
    found = _versions().get(wanted, "none")
    return ".".join(found.split("+")[0].split(".")[:2])


@cache
def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in reversed(sys.path):  # the first on the path wins
        for entry in Path(folder).glob("*.dist-info"):
            name, _, version = entry.name.removesuffix(".dist-info").partition("-")
            found[name.lower()] = version
    return found
