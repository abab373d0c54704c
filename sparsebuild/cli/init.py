"""`sparsebuild init`: a first project, from a template."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsebuild.cli.options import Base

__all__ = ["init", "refuse_to_overwrite"]

_IGNORED = {".git"}  # `git init` first and `sparsebuild init` second is fine


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; created if need be.")] = Path(),
    template: Annotated[
        str, typer.Option("--template", "-t", metavar="NAME", help="What to start from.")
    ] = "quickstart",
    list_them: Annotated[bool, typer.Option("--list", help="List the templates and exit.")] = False,
    project: Base = Path(),
) -> None:
    """Start a project from a template. Nothing is ever overwritten."""
    from sparsebuild.cli import templates

    if list_them:
        found = templates.templates()
        for name, where in found.items():
            sys.stdout.write(f"{name:<{max(map(len, found))}}  {templates.summary(where)}\n")
        return
    source = templates.find(template)
    folder = project / folder
    refuse_to_overwrite(folder)
    templates.copy(source, folder)
    _name_project(folder)
    there = "" if Path().samefile(folder) else f"cd {shlex.quote(str(folder))} && "
    sys.stderr.write(f"created {folder / 'sparse.toml'} from the template {template}\nnext: {there}sparsebuild run\n")


def refuse_to_overwrite(folder: Path, command: str = "init") -> None:
    """Raise UserError unless `folder` is empty or not there."""
    from sparsebuild.errors import UserError

    if folder.exists() and not folder.is_dir():
        raise UserError(f"`{folder}` is a file, not a folder", hint="name another folder")
    example = ", as in `sparsebuild init my-ner`" if command == "init" else ""
    found = sorted(path for path in folder.iterdir() if path.name not in _IGNORED) if folder.is_dir() else []
    if found:
        raise UserError(
            f"`{folder}` is not empty: it holds `{found[0].name}`",
            hint=f"`{command}` never overwrites; name a new folder{example}",
        )


def _name_project(folder: Path) -> None:
    """Call the project as its folder is called."""
    from sparsebuild.cli.editing import write_manifest

    manifest = folder / "sparse.toml"
    text = manifest.read_text(encoding="utf-8")
    name = json.dumps(folder.resolve().name or "project", ensure_ascii=False)
    write_manifest(manifest, re.sub(r"(?m)^name = .*$", lambda _: f"name = {name}", text, count=1))
