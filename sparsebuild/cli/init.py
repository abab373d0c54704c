"""`sparsebuild init`: a first project, from a template."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsebuild.cli.options import Base
from sparsebuild.cli.staging import was_killed
from sparsebuild.engine.work import delete

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
    word = shlex.quote(str(folder))
    there = "" if Path().samefile(folder) else f"cd {'./' if word.startswith('-') else ''}{word} && "
    sys.stderr.write(f"created {folder / 'sparse.toml'} from the template {template}\nnext: {there}sparsebuild run\n")


def refuse_to_overwrite(folder: Path, command: str = "init") -> None:
    """Raise UserError unless `folder` is empty or not there. What a killed one had begun there goes."""
    from sparsebuild.errors import UserError

    try:
        os.lstat(folder)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"no folder can be called `{folder}`: {error.strerror}", hint="name another") from None
    there = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path())
    if not there.is_dir():
        what = "a file" if there.exists() else "a link that leads nowhere"
        raise UserError(f"`{there}` is {what}, not a folder", hint="name another folder")
    example = ", as in `sparsebuild init my-ner`" if command == "init" else ""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    left = [path for path in inside if was_killed(path)]
    found = [path for path in inside if path.name not in _IGNORED and path not in left]
    if found:
        raise UserError(
            f"`{folder}` is not empty: it holds `{found[0].name}`",
            hint=f"`{command}` never overwrites; name a new folder{example}",
        )

    for path in left:
        delete(path)


def _name_project(folder: Path) -> None:
    """Call the project as its folder is called."""
    from sparsebuild.cli.editing import write_manifest

    manifest = folder / "sparse.toml"
    text = manifest.read_text(encoding="utf-8")
    called = folder.resolve().name.encode(errors="replace").decode() or "project"  # a name may be no UTF-8
    name = json.dumps(called, ensure_ascii=False).replace("\x7f", "\\u007f")  # which JSON may hold and TOML may not
    write_manifest(manifest, re.sub(r"(?m)^name = .*$", lambda _: f"name = {name}", text, count=1))
