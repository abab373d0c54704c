"""`sparsebuild attest`: whether a folder is what its statement of provenance says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.options import Json
from sparsebuild.cli.startup import Command, Group

if TYPE_CHECKING:
    from sparsebuild.shipping.provenance import Difference, Statement

__all__ = ["attest"]

attest = typer.Typer(
    cls=Group,
    help="Compare a published model with its statement of provenance.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@attest.command("check", cls=Command)
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with a provenance.json.")],
    as_json: Json = False,
) -> None:
    """Hash every file of DIR; exit with 7 if one differs from provenance.json, with 5 if its lock is another."""
    from dataclasses import asdict

    from sparsebuild.cli.output import write_document
    from sparsebuild.shipping.provenance import compare, read

    statement = read(folder)
    differences = compare(folder, statement)
    if as_json:
        found = [asdict(difference) for difference in differences]
        write_document({"files": len(statement.subjects), "lock": statement.lock, "differences": found})
    _refuse(folder, statement, differences)
    if not as_json:
        sys.stdout.write(f"{len(statement.subjects)} files are as provenance.json says; lock {statement.lock[:12]}\n")


def _refuse(folder: Path, statement: Statement, differences: tuple[Difference, ...]) -> None:
    from sparsebuild.errors import Differs, HashMismatch, Problem
    from sparsebuild.ui.inert import inert

    if _has_another_lock(folder, statement):
        raise HashMismatch(
            "sparse.lock is not the lock that provenance.json says this was built from",
            hint="fetch the folder again from where it was published",
        )
    if differences:
        raise Differs(*(Problem(message=f"`{inert(d.path)}` is {d.what}") for d in differences))


def _has_another_lock(folder: Path, statement: Statement) -> bool:
    from sparsebuild.digest import file_digest

    lock = folder / "sparse.lock"
    return bool(statement.lock) and lock.is_file() and file_digest(lock) != statement.lock
