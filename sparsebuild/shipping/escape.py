"""Strings of users and of strangers in Markdown and YAML: they stay text, whatever they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["code", "prose", "to_yaml"]

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~$:])")


def prose(text: str) -> str:
    """`text` as words of a Markdown line: no markup, no HTML, no line breaks."""
    line = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", line)


def code(text: str) -> str:
    """`text` as code in a Markdown line, in a table too."""
    line = _one_line(text)
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}".replace("|", "\\|")


def to_yaml(value: Any, indent: int = 0) -> str:
    """JSON data as YAML of the same meaning: every text in quotes, so that none is taken for anything else."""
    space = "  " * indent
    if isinstance(value, Mapping):
        return "".join(f"{space}{key}:{_below(inner, indent)}" for key, inner in value.items())
    return "".join(f"{space}- {_item(inner, indent)}" for inner in value)


def _below(value: Any, indent: int) -> str:
    if isinstance(value, Mapping | list | tuple) and value:
        return "\n" + to_yaml(value, indent + 1)
    return f" {_scalar(value)}\n"


def _item(value: Any, indent: int) -> str:
    if isinstance(value, Mapping):
        return to_yaml(value, indent + 1).lstrip(" ")
    return f"{_scalar(value)}\n"


def _scalar(value: Any) -> str:
    # JSON is YAML, but for characters that YAML does not print: JSON would leave some, and cut others in two.
    if isinstance(value, str):
        plain = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value)
        return f'"{plain}"'
    return json.dumps(value, allow_nan=False)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text).strip()
