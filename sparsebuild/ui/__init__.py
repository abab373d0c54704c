"""What people see: three folds of the one stream of events, tables, errors. Nothing here decides anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, Protocol, TextIO

from sparsebuild.events import Event
from sparsebuild.switches import is_on

__all__ = ["Fold", "Mode", "choose", "is_lively"]

Mode = Literal["auto", "live", "plain", "jsonl", "quiet"]


class Fold(Protocol):
    """Takes every event of a run."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None:
        """Put the terminal back as it was; may be called twice."""


def choose(stream: TextIO, mode: Mode = "auto", environment: Mapping[str, str] = os.environ) -> Fold:
    """The fold for `stream`: `auto` draws on a terminal and writes lines everywhere else."""
    if mode == "auto":
        mode = "live" if is_lively(stream, environment) else "plain"
    if mode == "live":
        from sparsebuild.ui.late import Late

        return Late(stream)
    if mode == "jsonl":
        from sparsebuild.ui.jsonl import JsonLines

        return JsonLines(stream)
    from sparsebuild.ui.plain import Plain, Quiet

    return Quiet(stream) if mode == "quiet" else Plain(stream)


def is_lively(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal on which lines may be redrawn, with somebody before it."""
    if environment.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    return stream.isatty() and not is_on("CI", environment)
