"""Our kind of Typer's commands: they start without pydantic, and know a reader that has gone.

Typer builds a validator for each value, and importing pydantic for that costs more than all else at start-up. Plain
values (text, paths, lists of text, what has its type already) need none; all others are left to Typer. This goes
through an attribute of its parameters that a later Typer may rename: then it has no effect, and starting is slower.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from typer import Exit
from typer.core import TyperCommand, TyperGroup

__all__ = ["BROKEN_PIPE", "Command", "Group"]

BROKEN_PIPE = 128 + signal.SIGPIPE  # as shells say it; Typer would make it a 1, which is a failed target

_PLAIN: dict[Any, Any] = {str: str, Path: Path, list[str]: list}


class Command(TyperCommand):
    """A command whose plain values are taken as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _spared(super().get_params(ctx))


class Group(TyperGroup):
    """The same for the words before a command."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _spared(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Exit(BROKEN_PIPE) from None


def _spared(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        parameter._runtime_param = _Plain()
    return parameters


class _Plain:
    """Stands where Typer would put a validator once it had built one."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        annotation = param.type_descriptor.annotation
        if annotation in _PLAIN:
            return _PLAIN[annotation](value)
        if isinstance(annotation, type) and isinstance(value, annotation):
            return value
        param._runtime_param = None  # Typer builds its own, which knows how to complain
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)
