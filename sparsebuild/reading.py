"""Reading what anyone may have written: a stranger's project can hold pipes, devices, gigabytes and endless nesting."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from sparsebuild.errors import UserError

__all__ = ["is_deeper", "read_json", "read_small"]

_LARGEST_JSON = 1_000_000  # bytes
_DEEPEST_JSON = 60  # lists and objects inside each other
_MOST_TABLES = 500_000  # lists and objects: each takes twenty times as much memory as it does in the file


def read_small(path: Path, most: int) -> bytes:
    """The bytes of a plain file of at most `most` bytes.

    Raises OSError as opening it would, and UserError for what is larger, or is no plain file. Nothing waits for a pipe.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"`{path.name}` is not a plain file", hint="put the file itself there")
        data = stream.read(min(found.st_size, most) + 1)
    if len(data) > most:
        raise UserError(f"`{path.name}` is larger than {most:,} bytes: it is something else than its name says")
    return data


def read_json(path: Path, most: int = _LARGEST_JSON) -> Any:
    """The JSON in a file of at most `most` bytes that we wrote, unless somebody else did since.

    Raises OSError as opening it would, and ValueError for all that is no JSON, of no measure, or in no plain file.
    """
    try:
        data = read_small(path, most)
        tables = data.count(b"{") + data.count(b"[")
        if tables > _MOST_TABLES:
            raise ValueError("more than we write")
        value = json.loads(data, parse_constant=_refuse)
    except (UserError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if tables > _DEEPEST_JSON and is_deeper(value, _DEEPEST_JSON):
        raise ValueError("nested too deeply")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def is_deeper(value: Any, deepest: int) -> bool:
    """Whether tables and lists stand inside each other more than `deepest` times."""
    inside = [value]
    for _ in range(deepest + 1):
        tables = [item for item in inside if isinstance(item, dict | list)]
        if not tables:
            return False
        inside = [item for table in tables for item in (table.values() if isinstance(table, dict) else table)]
    return any(isinstance(item, dict | list) for item in inside)
