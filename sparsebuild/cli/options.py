"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Base", "Json", "Profile", "ProjectBefore", "ProjectFolder", "Quiet", "Settings", "Variant"]

_HELP = "The folder that holds sparse.toml."

ProjectFolder = Annotated[Path, typer.Option("--project", "-C", metavar="DIR", help=_HELP)]
# Before the command. Only here is the variable asked, so that it gives way to either place on the command line.
ProjectBefore = Annotated[
    Path, typer.Option("--project", "-C", metavar="DIR", envvar="SPARSEBUILD_PROJECT", help=_HELP)
]
# Of commands that make a project.
Base = Annotated[
    Path, typer.Option("--project", "-C", metavar="BASE", help="The folder from which DIR is taken; else the current.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout, for programs.")]
Profile = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="Lay the values of [profile.NAME] over those of sparse.toml.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Lay one value over sparse.toml, as in `train.seed=3`; repeatable."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")]
Variant = Annotated[
    str, typer.Option("--variant", metavar="NAME", help="That of [variant.NAME], in place of the project's own.")
]
