"""`sparsebuild cache`: where the cache is, what it weighs, and emptying it."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Annotated

import typer

from sparsebuild.cli.options import Json
from sparsebuild.cli.startup import Command, Group
from sparsebuild.cli.telling import tell_of_what_is_left

__all__ = ["cache"]

cache = typer.Typer(
    cls=Group,
    help="Look at the cache that projects share, or empty it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@cache.command("dir", cls=Command)
def folder() -> None:
    """Print where the cache is."""
    from sparsebuild.layout import cache_folder

    sys.stdout.write(f"{cache_folder()}\n")


@cache.command("size", cls=Command)
def size(as_json: Json = False) -> None:
    """Show what the cache weighs."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.engine.garbage import weigh
    from sparsebuild.layout import cache_folder
    from sparsebuild.ui import cache as shown

    root = cache_folder()
    parts = {path.name: weigh(path) for path in sorted(root.glob("*")) if path.is_dir() and not path.is_symlink()}
    if as_json:
        write_document({"cache": str(root), "parts": {name: asdict(amount) for name, amount in parts.items()}})
    else:
        shown.show(root, parts, sys.stdout)


@cache.command("clean", cls=Command)
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without this, it is only told.")] = False,
    as_json: Json = False,
) -> None:
    """Empty the cache: sources are fetched again, and what is not in a project any more is built again."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.engine import garbage
    from sparsebuild.engine.store import Store
    from sparsebuild.layout import cache_folder
    from sparsebuild.ui import cache as shown

    store = Store(cache_folder())
    amount = garbage.wipe(store, now=time.time()) if yes else garbage.weigh(store.root / "objects")
    if as_json:
        write_document({"cache": str(store.root), "is_removed": yes, **asdict(amount)})
    else:
        shown.show_emptied(amount, yes, sys.stdout)
    if isinstance(amount, garbage.Removed):
        tell_of_what_is_left(amount, store.root)
