"""`sparsebuild add`: write a source into sparse.toml, where it belongs, and lock it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.offline import Offline, go_offline
from sparsebuild.cli.options import ProjectFolder
from sparsebuild.cli.telling import say, shown
from sparsebuild.concealed import masked
from sparsebuild.errors import UserError

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project

__all__ = ["What", "add"]


class What(StrEnum):
    """What a source is to the project: the names that the lock has for it."""

    model = "model"
    teacher = "teacher"
    teacher_train = "teacher.train"
    data = "data"
    train = "data.train"
    validation = "data.validation"
    test = "data.test"
    unlabelled = "data.unlabelled"
    recipe = "recipe"


_KEYS = {
    What.model: ("model", "source"),
    What.teacher: ("teacher", "source"),
    What.teacher_train: ("teacher", "train", "from"),
    What.data: ("data", "source"),
    What.recipe: ("recipe", "source"),
}


def add(
    what: Annotated[What, typer.Argument(metavar="WHAT", help=f"What it is to be: {', '.join(What)}.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A path, `hf:ORG/NAME`, `pypi:…`, `zoo:…`, `https://…`.")
    ],
    project: ProjectFolder = Path(),
    trust: Annotated[
        str, typer.Option("--trust", metavar="pickle", help="Load a model's weights although they are a pickle.")
    ] = "",
    no_lock: Annotated[bool, typer.Option("--no-lock", help="Only write it; ask nobody about the source.")] = False,
    offline: Offline = False,
) -> None:
    """Write a source into sparse.toml, keep all else there as it is, and lock it. Writes nothing if that fails."""
    from sparsebuild.cli.editing import write_manifest
    from sparsebuild.cli.lock import show_locked
    from sparsebuild.cli.project import decided, keep_lock, open_project, remember_documents
    from sparsebuild.manifest.edit import edited

    go_offline(offline)
    before = open_project(project)
    with shown() as progress:
        text = edited(before.written.text, _values(what, source, trust, before))
        after = open_project(project, say, progress, text=text)
        locked = after if no_lock else decided(after)
    write_manifest(after.layout.manifest, after.written.text)
    say(f"sparse.toml: {'.'.join(_path(what))} is {masked(source)}")
    if not no_lock:
        locked = keep_lock(locked)
        remember_documents(locked)
        after.stat_cache.save()
        show_locked(after, locked)


def _path(what: What) -> tuple[str, ...]:
    return _KEYS.get(what) or tuple(what.split("."))


def _values(what: What, source: str, trust: str, project: Project) -> dict[tuple[str, ...], str | None]:
    """What to write. That the source which stood there was trusted says nothing about this one."""
    path = _path(what)
    _refuse(what, project)
    values: dict[tuple[str, ...], str | None] = {path: source}
    teacher = project.manifest.teacher
    if what is What.teacher_train and (teacher is None or teacher.source == "disable"):
        values = {("teacher", "source"): "target:teacher", **values}
    if "data" not in path:
        values[*path[:-1], "trust"] = trust or None
    elif trust:
        raise UserError("`--trust` is for models", hint="rows are never a pickle")
    return values


def _refuse(what: What, project: Project) -> None:
    """Refuse what would not have the effect that was meant."""
    data = project.manifest.data
    if what is What.unlabelled and isinstance(data.unlabelled, tuple):
        raise UserError("`data.unlabelled` is a list in sparse.toml", hint="add the file to it there")
    own = [key for key in ("train", "validation") if getattr(data, key) is not None]
    if what is What.data and len(own) == 2:
        raise UserError(
            "`data.train` and `data.validation` are in sparse.toml, and win over a dataset",
            hint="take them out first, or name the one to replace: `sparsebuild add data.train SOURCE`",
        )
