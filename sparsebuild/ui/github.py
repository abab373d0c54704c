"""What GitHub shows beside the code: errors and warnings as the commands that its runners read in what a job prints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, TextIO

from sparsebuild.errors import Problem, SparsebuildError
from sparsebuild.events import Event, Log
from sparsebuild.ui.inert import inert

__all__ = ["Annotations", "are_wanted", "show"]


def are_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a runner of GitHub reads along."""
    return environment.get("GITHUB_ACTIONS") == "true"


def show(error: SparsebuildError, stream: TextIO) -> None:
    """Write a line for each problem, with its place if it has one."""
    for problem in error.problems:
        stream.write(_line("error", problem) + "\n")


class Annotations:
    """A fold that passes on warnings; errors are raised, and shown at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def close(self) -> None:
        """Nothing to put back."""

    def __call__(self, event: Event) -> None:
        """Write a line for a warning."""
        if isinstance(event, Log) and event.level == "warning":
            about = f"{event.target}: " if event.target else ""
            self._stream.write(_line("warning", Problem(message=about + event.message)) + "\n")
            self._stream.flush()


def _line(level: Literal["error", "warning"], problem: Problem) -> str:
    at = problem.position
    place = f" file={_property(at.file)},line={at.line},col={at.column}" if at else ""
    hint = f"\nhint: {problem.hint}" if problem.hint else ""
    return f"::{level}{place}::{_data(problem.message + hint)}"


def _data(text: str) -> str:
    return inert(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
