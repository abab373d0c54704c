"""What a worker and its parent say to each other: JSON, a line each.

parent → worker    {"job": …, "reference": "module:function"}
worker → parent    {"say": "progress" | "metric" | "log" | "note", "args": […], "fields": {…}}
                   {"say": "done"}   {"say": "failed", "error": …}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sparsebuild import errors
from sparsebuild.errors import Position, Problem, SparsebuildError
from sparsebuild.executors.base import InternalStepError

__all__ = ["decode", "encode", "error_from_json", "error_to_json"]


def encode(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(line)
    return message


def error_to_json(error: Exception) -> dict[str, Any]:
    """An error of our tree with its type, problems and exit code; any other by its text."""
    if not isinstance(error, SparsebuildError):
        return {"internal": str(error)}
    # A type that a step derived for itself is told as the nearest one that everybody knows.
    kind = next(k.__name__ for k in type(error).__mro__ if k.__name__ in errors.__all__)
    return {"type": kind, "exit_code": error.exit_code, "problems": [asdict(p) for p in error.problems]}


def error_from_json(data: Mapping[str, Any]) -> Exception:
    if "internal" in data:
        return InternalStepError(data["internal"])
    error: SparsebuildError = getattr(errors, data["type"])(*map(_problem, data["problems"]))
    error.exit_code = data["exit_code"]
    return error


def _problem(data: Mapping[str, Any]) -> Problem:
    position = data["position"]
    return Problem(**{**data, "position": Position(**position) if position else None})
