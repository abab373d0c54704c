"""Changing a few values of `sparse.toml`, and nothing else of it: comments, order, spelling and line ends stay.

The text is cut where `locate` says that a value stands. Libraries that keep comments put a new key behind all that
follows its table's last one, which is where people write about the next table.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import tomli

from sparsebuild.errors import UserError
from sparsebuild.manifest.locate import KeyPath, Place, places

__all__ = ["edited", "key_value"]


def edited(text: str, values: Mapping[tuple[str, ...], str | None]) -> str:
    """The text with a new value at each path; None takes the key out. What is missing is added to its table.

    Raises UserError, with the lines to write, where the file is written in a way that could not be kept.
    """
    wanted = copy.deepcopy(tomli.loads(text))
    written = text
    for path, value in values.items():
        if _lay(wanted, path, value):
            written = _removed(written, path) if value is None else _put(written, path, value)
    try:
        if tomli.loads(written) == wanted:
            return written
    except tomli.TOMLDecodeError:
        pass
    lines = "\n".join(f"    {key_value('.'.join(map(_key, path)), value)}" for path, value in values.items() if value)
    raise UserError("sparse.toml is written in a way that could not be kept", hint=f"write it yourself:\n\n{lines}")


def key_value(key: str, value: str) -> str:
    """A line that gives a key, which is spelled as it has to be, a text."""
    return f"{key} = {_quoted(value)}"


def _lay(document: dict[str, Any], path: tuple[str, ...], value: str | None) -> bool:
    """The same to plain values; whether that changed something."""
    *tables, key = path
    for name in tables:
        if not isinstance(document.get(name), dict):
            document[name] = {}
        document = document[name]
    before: Any = document.pop(key, None)
    if value is not None:
        document[key] = value
    return bool(before != value)


def _put(text: str, path: tuple[str, ...], value: str) -> str:
    known = places(text)
    if place := known.get(path):
        return text[: place.value] + _quoted(value) + text[place.value_end :]
    table, line = path[:-1], key_value(_key(path[-1]), value)
    around = _own_place(known, table)
    if around and text[around.value] == "{":
        return _into_braces(text, around, line)
    if around and text[around.value] in "\"'":  # `teacher = "disable"`, which a table takes the place of
        return _put(_removed(text, table), path, value)
    beside = [p for known_path, p in known.items() if known_path[:-1] == table and not _is_header(p)]
    if table and beside:
        last = max(beside, key=lambda place: place.value_end)
        start = text.rfind("\n", 0, last.key) + 1
        return _after_line(text, last.value_end, text[start : last.key] + line)
    if around:
        return _after_line(text, around.value_end, line)
    return _at_end(text, f"[{'.'.join(map(_key, table))}]", line)


def _own_place(known: Mapping[KeyPath, Place], table: tuple[str, ...]) -> Place | None:
    """Where the table itself is written, in braces or as a header; keys and headers that imply it are not it."""
    place = known.get(table)
    if place and any(p.value == place.value for path, p in known.items() if path[:-1] == table):
        return None
    return place


def _is_header(place: Place) -> bool:
    return place.key == place.value


def _into_braces(text: str, around: Place, line: str) -> str:
    inner = text[around.value + 1 : around.value_end - 1]
    kept = inner.rstrip()
    new = f"{kept}, {line}{inner[len(kept) :]}" if kept else f" {line} "
    return text[: around.value + 1] + new + text[around.value_end - 1 :]


def _after_line(text: str, offset: int, line: str) -> str:
    end = text.find("\n", offset)
    if end < 0:
        return f"{text}{_end_of_line(text)}{line}"
    return text[: end + 1] + line + _end_of_line(text) + text[end + 1 :]


def _at_end(text: str, *lines: str) -> str:
    end = _end_of_line(text)
    apart = "" if not text.strip() else end if text.endswith("\n") else 2 * end
    return text + apart + "".join(line + end for line in lines)


def _removed(text: str, path: tuple[str, ...]) -> str:
    """Without the line of a key that stands on one of its own; in braces it is left for the caller to find."""
    place: Place | None = places(text).get(path)
    if place is None:
        return text
    start, end = text.rfind("\n", 0, place.key) + 1, text.find("\n", place.value_end)
    return text[:start] + (text[end + 1 :] if end >= 0 else "")


def _end_of_line(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _key(name: str) -> str:
    is_plain = name and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)
    return name if is_plain else _quoted(name)


def _quoted(value: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's, and DEL is no sign of a source."""
    return json.dumps(value, ensure_ascii=False)
