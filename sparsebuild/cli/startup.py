"""Our kind of Typer's commands: they start at once, explain themselves in our words, and know a reader that has gone.

Three things cost more than all else at start-up, and are spared here:

- importing every command to run one, or to list them: a group knows its commands as rows of a table and loads one when
  it is called (`Row`, `Group`);
- pydantic, with which Typer checks each value: plain values (text, numbers, paths, choices) need none, all others, and
  the plain ones that are wrong, are left to Typer;
- rich, with which Typer draws help and completes: `ui.help` draws ours.

The second goes through an attribute of Typer's parameters, the third through a function of its completion, that a later
Typer may rename: then that has no effect, and starting is slower.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import typer
from typer import Exit
from typer.core import TyperCommand, TyperGroup

from sparsebuild.registry import load

__all__ = ["BROKEN_PIPE", "Command", "Group", "Row"]

BROKEN_PIPE = 128 + signal.SIGPIPE  # as shells say it; Typer would make it a 1, which is a failed target

_PLAIN: dict[Any, Callable[[Any], Any]] = {str: str, int: int, float: float, Path: Path, list[str]: list}


class Row(NamedTuple):
    """A command that is not loaded yet."""

    panel: str  # of the help that it stands in
    function: str  # "module:function", or "module:app" of a group of commands
    help: str  # one line, the first of the function's docstring


class Command(TyperCommand):
    """A command whose plain values are taken as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _spared(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(_help(self, ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        _complete_without_rich()
        return super().shell_complete(ctx, incomplete)


class Group(TyperGroup):
    """A group that loads the command that is called, and no other."""

    table: ClassVar[Mapping[str, Row]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, row in self.table.items():
            # Enough to list it, in a help or for a shell that completes.
            self.commands[name] = Command(name=name, callback=None, help=row.help, rich_help_panel=row.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, _loaded(name, self.table[name]) if name and name in self.table else command, rest

    def get_params(self, ctx: Any) -> list[Any]:
        return _spared(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        formatter.write(_help(self, ctx))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Exit(BROKEN_PIPE) from None

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        _complete_without_rich()
        return super().shell_complete(ctx, incomplete)


def _loaded(name: str, row: Row) -> Any:
    """The command that `row` tells of."""
    found = load(row.function)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, cls=Command)(found)
    return typer.main.get_command(alone)


def _help(command: Any, ctx: Any) -> str:
    """The help of `command`: usage, what it does, and a panel for arguments, options and each kind of its commands."""
    from sparsebuild.ui import help as helps

    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        if record := parameter.get_help_record(ctx):
            is_argument = parameter.param_type_name == "argument"
            title = parameter.rich_help_panel or ("Arguments" if is_argument else "Options")
            name = parameter.get_usage_pieces(ctx)[0].strip("{}") if is_argument else record[0]
            panels.setdefault(title, []).append((name, record[1]))
    for name, inner in getattr(command, "commands", {}).items():
        panels.setdefault(inner.rich_help_panel or "Commands", []).append((name, inner.help or ""))
    return helps.page(command.get_usage(ctx), command.help or "", panels, command.epilog or "", sys.stdout)


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
        if isinstance(annotation, type) and isinstance(value, annotation):
            return value
        if (read := _reader(annotation)) and param.min is param.max is None:
            with contextlib.suppress(ValueError):
                return read(value)
        param._runtime_param = None  # Typer builds its own, which knows how to complain
        return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _reader(annotation: Any) -> Callable[[Any], Any] | None:
    """What makes a value of a word, and a ValueError of a wrong one."""
    is_choice = isinstance(annotation, type) and issubclass(annotation, Enum)
    return annotation if is_choice else _PLAIN.get(annotation)


def _complete_without_rich() -> None:
    """Typer sends each help through rich, to take out markup; ours has none."""
    if completion := sys.modules.get("typer._completion_classes"):
        vars(completion)["_sanitize_help_text"] = str
