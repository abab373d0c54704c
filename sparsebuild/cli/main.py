"""The `sparsebuild` command: its sub-commands, and what its exit code means.

    0 done · 1 a target or gate failed · 2 wrong file, command or environment · 3 lock out of date · 4 source missing
    5 hash mismatch · 6 held by another run · 8 something is stale · 70 our bug · 130 Ctrl-C · 141 pipe · 143 SIGTERM

Whatever is heavy is imported by the command that needs it, when it runs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from sparsebuild import __version__
from sparsebuild.cli.init import init
from sparsebuild.cli.lock import lock
from sparsebuild.cli.options import ProjectBefore
from sparsebuild.cli.recipe import recipe
from sparsebuild.cli.run import run
from sparsebuild.cli.schema import schema
from sparsebuild.cli.startup import BROKEN_PIPE, Command, Group
from sparsebuild.cli.status import status
from sparsebuild.cli.tag import tag
from sparsebuild.cli.why import why
from sparsebuild.errors import Interrupted, SparsebuildError

__all__ = ["app", "run_command"]

_OUR_BUG = 70
_INTERRUPTED = 130
_TERMINATED = 128 + signal.SIGTERM

app = typer.Typer(
    name="sparsebuild",
    cls=Group,
    help="Build sparse, quantized language models from a [bold]sparse.toml[/bold], and nothing twice.",
    epilog="Start with [bold]sparsebuild init my-ner && cd my-ner && sparsebuild run[/bold].",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command(cls=Command, rich_help_panel="Build")(init)
app.command(cls=Command, rich_help_panel="Build")(lock)
app.command(cls=Command, rich_help_panel="Build")(run)
app.command("try", cls=Command, rich_help_panel="Build")(tag)
app.command(cls=Command, rich_help_panel="Look")(status)
app.command(cls=Command, rich_help_panel="Look")(why)
app.add_typer(recipe, name="recipe", rich_help_panel="Look")
app.command(cls=Command, rich_help_panel="Look")(schema)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"sparsebuild {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    project: ProjectBefore = Path(),
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    # `-C` may stand before the command, as with git and make, or after it.
    context.default_map = {name: {"project": str(project)} for name in ("lock", "run", "status", "why", "try")}


def run_command(arguments: Sequence[str]) -> int:
    """Do what `arguments` say; the exit code. Errors are shown, never raised."""
    from sparsebuild.ui.streams import tolerate

    tolerate(sys.stdout)
    tolerate(sys.stderr)
    stopped_by = _listen_for_sigterm()
    code = _finish(_invoke(arguments))
    return _TERMINATED if stopped_by and code == _INTERRUPTED else code


def _invoke(arguments: Sequence[str]) -> int:
    try:
        app(args=list(arguments), prog_name="sparsebuild")
    except SystemExit as leaving:  # how Typer ends, for good and for wrong usage (2)
        return leaving.code if isinstance(leaving.code, int) else 0
    except Interrupted as stop:
        sys.stderr.write("interrupted; `sparsebuild run` goes on from here\n")
        return stop.exit_code
    except SparsebuildError as error:
        _show(error)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as bug:
        _tell_of(bug, arguments)
        return _OUR_BUG
    return 0


def _show(error: SparsebuildError) -> None:
    from sparsebuild.ui import errors

    errors.show(error, sys.stderr)


def _tell_of(bug: Exception, arguments: Sequence[str]) -> None:
    from sparsebuild.cli import crash

    sys.stderr.write(crash.message(bug, crash.write_report(bug, arguments)) + "\n")


def _finish(code: int) -> int:
    """Flush now: later, the interpreter would tell of a reader that has gone, and with a traceback."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


def _listen_for_sigterm() -> list[int]:
    """Make SIGTERM stop us as Ctrl-C does, so that only one way of stopping has to be right; the list tells which."""
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    return received
