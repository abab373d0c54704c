"""Everything that can go wrong for a person, as one tree of types.

SparsebuildError                exit code
├── TargetFailed                1    a target or a gate did not do what was promised
│   └── GateFailed              1
├── UserError                   2    the file, the command or the environment is wrong
│   ├── ManifestError           2
│   ├── RecipeError             2
│   └── DataError               2
├── LockOutOfDate               3    under --locked or --check
├── SourceUnavailable           4    missing, offline or refused
├── HashMismatch                5    bytes are not the bytes of the lock
├── HeldByAnotherRun            6    under --no-wait
├── Differs                     7    `verify` found other bytes than were recorded
└── Interrupted                 130  Ctrl-C (143 for SIGTERM)

An exception outside this tree is our bug: the command line writes a report and exits with 70.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparsebuild.concealed import masked

__all__ = [
    "DataError",
    "Differs",
    "GateFailed",
    "HashMismatch",
    "HeldByAnotherRun",
    "Interrupted",
    "LockOutOfDate",
    "ManifestError",
    "Position",
    "Problem",
    "RecipeError",
    "SourceUnavailable",
    "SparsebuildError",
    "TargetFailed",
    "UserError",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a text file: `line` and `column` count from 1."""

    file: str  # as the user would type it: relative to the project, or the path that was given
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: what, where, what to do."""

    message: str
    position: Position | None = None
    frame: str = ""  # the lines of the file around `position`, ready to print
    hint: str = ""

    def __str__(self) -> str:
        where = f"\n  --> {self.position}" if self.position else ""
        frame = f"\n{self.frame}" if self.frame else ""
        hint = f"\n\nhint: {self.hint}" if self.hint else ""
        return f"error: {self.message}{where}{frame}{hint}"


_MOST_PROBLEMS = 20  # that a person is told at once
_LONGEST = 1_000  # characters of a line
# Our own messages go on in lines that begin with two blanks; any other break came with what is quoted.
_BREAK = re.compile(r"\r|\n(?!  )")


class SparsebuildError(Exception):
    """The root: carries problems to show and the exit code of the command."""

    exit_code = 1

    def __init__(self, *problems: Problem | str, hint: str = "") -> None:
        told = [Problem(message=p, hint=hint) if isinstance(p, str) else p for p in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            told.append(Problem(message=f"there are more than these {_MOST_PROBLEMS} problems"))
        self.problems: Sequence[Problem] = tuple(map(_readable, told))
        super().__init__("\n".join(p.message for p in self.problems))

    def __str__(self) -> str:
        """The whole text, without colour, as it is shown to a person."""
        return "\n\n".join(str(p) for p in self.problems)


def _readable(problem: Problem) -> Problem:
    """`problem` with a message that is one line of bounded length, whatever text of others is quoted in it.

    What is secret in an address is told to nobody: the log of a CI server is public.
    """
    message = _BREAK.sub(lambda found: repr(found[0])[1:-1], problem.message)
    return replace(
        problem,
        message=masked(_shortened(message)),
        frame=masked(problem.frame),
        hint=masked(_shortened(problem.hint)),
    )


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    lines = text.split("\n")
    return "\n".join(i if len(i) <= _LONGEST else f"{i[: _LONGEST - 300]} … {i[-300:]}" for i in lines)


class TargetFailed(SparsebuildError):
    """A step did not do what it promised."""


class GateFailed(TargetFailed):
    """A line of `[gate]` does not hold."""


class UserError(SparsebuildError):
    """The user's file, command or environment is wrong."""

    exit_code = 2


class ManifestError(UserError):
    """`sparse.toml` is wrong; carries every problem of the file."""


class RecipeError(UserError):
    """A recipe is wrong, or asks for what we do not do."""


class DataError(UserError):
    """A row of the user's data is wrong."""


class LockOutOfDate(SparsebuildError):
    """`sparse.lock` does not answer what `sparse.toml` asks, and it may not be changed."""

    exit_code = 3


class SourceUnavailable(SparsebuildError):
    """A source is missing, offline or refused."""

    exit_code = 4


class HashMismatch(SparsebuildError):
    """Bytes are not the bytes that the lock promised."""

    exit_code = 5


class HeldByAnotherRun(SparsebuildError):
    """Another run holds the project and we were told not to wait."""

    exit_code = 6


class Differs(SparsebuildError):
    """What stands on the disk, or what comes out when it is built again, is not what was recorded."""

    exit_code = 7


class Interrupted(SparsebuildError):
    """A signal asked us to stop: 130 for Ctrl-C, 143 for SIGTERM."""

    exit_code = 130

    def __init__(self, *problems: Problem | str, exit_code: int = 130) -> None:
        super().__init__(*(problems or ("interrupted",)))
        self.exit_code = exit_code
