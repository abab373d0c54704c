"""The `sparsebuild` command: its sub-commands, and what its exit code means.

    0 done · 1 a target or gate failed · 2 wrong file, command or environment · 3 lock out of date · 4 source missing
    5 hash mismatch · 6 held by another run · 7 `verify` or `attest` found a difference · 8 something is stale
    70 our bug · 130 Ctrl-C · 141 pipe · 143 SIGTERM

The commands are rows of a table, and the one that is called is loaded; what is heavy it imports when it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from sparsebuild import __version__
from sparsebuild.cli.options import ProjectBefore
from sparsebuild.cli.startup import BROKEN_PIPE, Group, Row
from sparsebuild.errors import Interrupted, SparsebuildError, UserError

__all__ = ["COMMANDS", "app", "run_command"]

_OUR_BUG = 70
_INTERRUPTED = 130
_TERMINATED = 128 + signal.SIGTERM

# In the order of the help: its panel, where it is, and what it does (the first line of its docstring).
COMMANDS = {
    "init": Row("Build", "sparsebuild.cli.init:init", "Start a project from a template. Nothing is ever overwritten."),
    "lock": Row(
        "Build",
        "sparsebuild.cli.lock:lock",
        "Write sparse.lock: the version, size and sha256 of every source. What did not change keeps its pin.",
    ),
    "add": Row(
        "Build",
        "sparsebuild.cli.add:add",
        "Write a source into sparse.toml, keep all else there as it is, and lock it. Writes nothing if that fails.",
    ),
    "fetch": Row(
        "Build",
        "sparsebuild.cli.fetch:fetch",
        "Bring every source into the cache and the project, so that `run --offline` needs no network.",
    ),
    "run": Row(
        "Build",
        "sparsebuild.cli.run:run",
        "Build what is out of date: fetch, prepare, train, evaluate, export, and promote what passes the gates.",
    ),
    "bundle": Row(
        "Build",
        "sparsebuild.cli.bundle:bundle",
        "Pack the project, its lock and all sources into one tar file, for a machine without a network.",
    ),
    "unbundle": Row(
        "Build",
        "sparsebuild.cli.bundle:unbundle",
        "Unpack what `bundle` packed: the project into DIR, and its sources into the cache.",
    ),
    "publish": Row(
        "Build",
        "sparsebuild.cli.publish:publish",
        "Publish the promoted model with its card, lock and provenance; nothing whose gates do not hold.",
    ),
    "try": Row(
        "Build", "sparsebuild.cli.tag:tag", "Mark the entities in TEXT, a file or stdin with the exported model."
    ),
    "status": Row(
        "Look",
        "sparsebuild.cli.status:status",
        "Show which targets are up to date, why the others are not, and what the last build measured.",
    ),
    "why": Row(
        "Look",
        "sparsebuild.cli.why:why",
        "Say why TARGET has to run: each change, old value and new, with the line that says so.",
    ),
    "metrics": Row(
        "Look",
        "sparsebuild.cli.metrics:metrics",
        "Print the figures that targets left: scores, sparsity, sizes, and how long they took.",
    ),
    "diff": Row(
        "Look",
        "sparsebuild.cli.diff:diff",
        "Compare this build with that of another commit or folder: settings, recipe, lock, figures and sizes.",
    ),
    "log": Row(
        "Look",
        "sparsebuild.cli.log:log",
        "Print the log of the last try at TARGET, whether it was built or failed.",
    ),
    "graph": Row(
        "Look",
        "sparsebuild.cli.graph:graph",
        "Print the targets in the order in which they are built, and what each reads of others.",
    ),
    "tree": Row(
        "Look",
        "sparsebuild.cli.tree:tree",
        "Show every source: what was asked for, what was pinned, its files and sizes, and what uses it.",
    ),
    "bench": Row(
        "Look",
        "sparsebuild.cli.bench:bench",
        "Time the exported file beside its dense float model, or the kernels of its layers, and show the table.",
    ),
    "sensitivity": Row(
        "Look",
        "sparsebuild.cli.sensitivity:sensitivity",
        "Prune and quantize each layer of the trained model alone, and rank them by what it does to the answers.",
    ),
    "schema": Row(
        "Look",
        "sparsebuild.cli.schema:schema",
        "Print the JSON Schema of sparse.toml, with which editors complete and check it.",
    ),
    "recipe": Row("Look", "sparsebuild.cli.recipe:recipe", "Look at recipes, check, compare and format them."),
    "verify": Row(
        "Keep",
        "sparsebuild.cli.verify:verify",
        "Read every output again and hold it against its record; exit with 7 if something differs.",
    ),
    "attest": Row(
        "Keep", "sparsebuild.cli.attest:attest", "Compare a published model with its statement of provenance."
    ),
    "clean": Row(
        "Keep",
        "sparsebuild.cli.clean:clean",
        "Remove what builds left here, and nothing else; a run brings what was finished back from the cache.",
    ),
    "gc": Row(
        "Keep", "sparsebuild.cli.gc:gc", "Find what the cache holds that no project needs, and with --yes remove it."
    ),
    "cache": Row("Keep", "sparsebuild.cli.cache:cache", "Look at the cache that projects share, or empty it."),
}


class _Commands(Group):
    table = COMMANDS


app = typer.Typer(
    name="sparsebuild",
    cls=_Commands,
    help="Build sparse, quantized language models from a sparse.toml, and nothing twice.",
    epilog="Start with: sparsebuild init my-ner && cd my-ner && sparsebuild run",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    context.default_map = {name: {"project": str(project)} for name in COMMANDS}


def run_command(arguments: Sequence[str]) -> int:
    """Do what `arguments` say; the exit code. Errors are shown, never raised."""
    from sparsebuild.ui.streams import tolerate

    _open_what_is_closed()
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
        if told := _environment(bug):
            _show(told)
            return told.exit_code
        _tell_of(bug, arguments)
        return _OUR_BUG
    return 0


def _environment(error: Exception) -> SparsebuildError | None:
    """What to tell where the user's disk is full, or may not be read or written, or the current folder is gone."""
    from sparsebuild.engine.blame import blamed_anywhere

    if not isinstance(error, OSError):
        return None
    try:
        Path.cwd()
    except FileNotFoundError:
        hint = "`cd` to one that is, or name the project by its whole path: `-C DIR`"
        return UserError("the current folder is not there any more", hint=hint)
    return blamed_anywhere(error)


def _show(error: SparsebuildError) -> None:
    from sparsebuild.ui import errors

    with contextlib.suppress(OSError):  # stderr itself may be what cannot be written; the exit code says so too
        errors.show(error, sys.stderr)


def _tell_of(bug: Exception, arguments: Sequence[str]) -> None:
    from sparsebuild.cli import crash

    sys.stderr.write(crash.message(bug, crash.write_report(bug, arguments)) + "\n")


def _finish(code: int) -> int:
    """Flush now: later, the interpreter would tell of a reader that has gone, and with a traceback."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        _show(told := UserError(f"cannot write to stdout: {error.strerror}"))
        return code or told.exit_code
    return code


def _open_what_is_closed() -> None:
    """Let streams that the caller closed lead nowhere; else the next file that is opened gets their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - for as long as we live


def _listen_for_sigterm() -> list[int]:
    """Make SIGTERM stop us as Ctrl-C does, so that only one way of stopping has to be right; the list tells which."""
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    return received
