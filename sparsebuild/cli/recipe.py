"""`sparsebuild recipe show`: what a recipe does, without doing it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsebuild.cli.options import Json
from sparsebuild.cli.startup import Command, Group

__all__ = ["arguments", "recipe"]

_LARGEST = 1_000_000  # bytes

recipe = typer.Typer(cls=Group, no_args_is_help=True, help="Look at recipes.")


@recipe.callback()
def _recipe() -> None:
    """Keeps `show` a word of its own while it is the only one."""


@recipe.command(cls=Command)
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recipe: YAML, or Markdown with YAML at its head.")],
    arg: Annotated[
        list[str] | None,
        typer.Option(
            "--arg", "-a", metavar="KEY=VALUE", help="Give a variable of the recipe another value; repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the schedule of a recipe, every `eval(…)` worked out."""
    from sparsebuild import modifiers
    from sparsebuild import recipe as recipes
    from sparsebuild.cli.output import write_document

    resolved = recipes.resolve(recipes.read(_text(file), str(file)), arguments(arg or ()))
    specs = modifiers.specs(resolved)
    epochs = modifiers.epochs(specs) or 0
    phases = modifiers.schedule_table(specs, epochs)
    if as_json:
        write_document({"file": str(file), "epochs": epochs, "phases": list(map(asdict, phases)), **resolved.to_json()})
        return
    from sparsebuild.ui import schedule

    schedule.show(phases, epochs, sys.stdout)


def arguments(pairs: Sequence[str]) -> dict[str, Any]:
    """`key=value` pairs as values: JSON where the value is JSON (`6`, `0.5`, `true`), text where it is not."""
    from sparsebuild.errors import UserError

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UserError(f"`--arg {pair}` is not KEY=VALUE", hint="as in `--arg num_epochs=6`")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(file: Path) -> str:
    from sparsebuild.errors import UserError
    from sparsebuild.reading import read_small

    try:
        return read_small(file, _LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"`{file}` is not UTF-8", hint="save it as UTF-8 in your editor") from None
    except OSError as error:
        raise UserError(f"`{file}` cannot be read: {error.strerror}") from None
