"""`sparsebuild recipe`: what a recipe does, without doing it; its variables, its layout, and what another says else."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Json, ProjectBefore, Variant
from sparsebuild.cli.startup import Command, Group

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.manifest import Manifest, Recipe
    from sparsebuild.modifiers.base import Modifier, Phase
    from sparsebuild.modifiers.matching import Matched
    from sparsebuild.modifiers.stages import Stretch
    from sparsebuild.recipe import Document, Resolved

__all__ = ["arguments", "recipe"]

_BUILTIN = "builtin:"
_LARGEST = 1_000_000  # bytes

recipe = typer.Typer(cls=Group, no_args_is_help=True, help="Look at recipes, check, compare and format them.")

_FILE = "A recipe: YAML, Markdown with YAML at its head, or `builtin:NAME`."
File = Annotated[str, typer.Argument(metavar="FILE", help=_FILE)]
OptionalFile = Annotated[str, typer.Argument(metavar="[FILE]", help=f"{_FILE} Left out, the project's own.")]
Arg = Annotated[
    list[str] | None,
    typer.Option("--arg", "-a", metavar="KEY=VALUE", help="Give a variable of the recipe another value; repeatable."),
]


@recipe.callback()
def _recipe(context: typer.Context, project: ProjectBefore = Path()) -> None:
    given = {"project": str(project)}
    context.default_map = dict.fromkeys(("show", "check", "args"), given)


@recipe.command(cls=Command)
def show(
    file: OptionalFile = "",
    arg: Arg = None,
    text: Annotated[bool, typer.Option("--text", help="Print the recipe as it is written.")] = False,
    variant: Variant = "",
    project: ProjectBefore = Path(),
    as_json: Json = False,
) -> None:
    """Print and draw the schedule of a recipe, every `eval(…)` worked out; in a project, what it means in its model."""
    from sparsebuild import modifiers
    from sparsebuild.modifiers import curves, stages
    from sparsebuild.modifiers.reading import entries_and_specs

    opened = _project(project, file)
    name, written, args = _source(file, arg or (), opened, variant)
    if text:
        sys.stdout.write(written)
        return
    document, resolved = _resolved(name, written, args)
    pairs = entries_and_specs(resolved)
    specs = [spec for _, spec in pairs]
    manifest = opened.manifest.of(variant) if opened else None
    epochs = _epochs(specs, manifest)
    stretches = stages.stretches(pairs, epochs)
    phases = modifiers.schedule_table(modifiers.for_file(specs, _file_grid(manifest)), epochs)
    found = _matches(resolved, opened)
    if as_json:
        from sparsebuild.cli.output import write_document

        drawn = curves.course(specs, epochs, 100).to_json() if math.isfinite(epochs) else {}
        matched = [_matched_json(one) for one in found]
        said = {"file": name, "epochs": _finite(epochs), "phases": list(map(_span_json, phases)), "course": drawn}
        kept = {"metadata": _metadata(document), "stages": list(map(_span_json, stretches))}
        write_document({**said, **kept, "matches": matched, **resolved.to_json()})
        return
    from sparsebuild.ui import course, schedule

    schedule.show(phases, epochs, sys.stdout)
    if math.isfinite(epochs):
        course.show(curves.course(specs, epochs, course.POINTS), sys.stdout)
    schedule.show_stages(stretches, sys.stdout)
    for one, other in stages.overlapping(stretches):
        sys.stderr.write(f"the stages {one} and {other} overlap: epochs are those of the whole training\n")
    schedule.show_matches(found, sys.stdout)


@recipe.command(cls=Command)
def check(file: OptionalFile = "", arg: Arg = None, variant: Variant = "", project: ProjectBefore = Path()) -> None:
    """See that a recipe can be run: exit with 2, and each fault with its line, if it cannot."""
    from sparsebuild import modifiers
    from sparsebuild.modifiers import matching
    from sparsebuild.ui.figures import count

    opened = _project(project, file)
    name, written, args = _source(file, arg or (), opened, variant)
    _, resolved = _resolved(name, written, args)
    specs = modifiers.specs(resolved)
    where = ""
    if opened and not file:
        _refuse_in_project(opened)
    if found := _tensors(opened):
        matching.check(resolved, found)
        where = ", and every name that it holds is one of the model's"
    epochs = _epochs(specs, opened.manifest.of(variant) if opened else None)
    for told in modifiers.idle(specs, epochs):
        sys.stderr.write(f"warning: {told}\n")
    lasts = f", {count(int(epochs), 'epoch')}" if math.isfinite(epochs) else ""
    sys.stdout.write(f"{name}: {count(len(specs), 'modifier')}{lasts}{where}\n")


def _refuse_in_project(project: Project) -> None:
    """Raise for what a run would refuse of the project's recipes before it begins, where its sources are known."""
    from sparsebuild.cli.project import answered, graph

    if known := answered(project):
        graph(known)


@recipe.command(cls=Command, name="args")
def args_(
    file: OptionalFile = "",
    arg: Arg = None,
    variant: Variant = "",
    project: ProjectBefore = Path(),
    as_json: Json = False,
) -> None:
    """List the variables of a recipe: what each is, what it becomes, and where it is used."""
    from sparsebuild.recipe.uses import uses

    name, written, given = _source(file, arg or (), _project(project, file), variant)
    found = uses(*_resolved(name, written, given))
    if as_json:
        from sparsebuild.cli.output import write_document

        write_document({"file": name, "variables": [_uses_json(one) for one in found]})
        return
    from sparsebuild.ui import schedule

    schedule.show_variables(found, sys.stdout)


@recipe.command(cls=Command, name="format")
def format_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recipe; it is written again if it changes.")],
    only_check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if it would change.")] = False,
) -> None:
    """Write a recipe in the one layout, with its comments; meaning and ends of lines stay, a byte order mark goes."""
    from sparsebuild.cli.editing import write_back
    from sparsebuild.errors import UserError
    from sparsebuild.recipe.layout import formatted

    written = _text(str(file))
    new = formatted(written, str(file))
    if new == written:
        sys.stderr.write(f"{file} is as it should be\n")
        return
    if only_check:
        raise UserError(f"`{file}` is laid out in another way", hint=f"run `sparsebuild recipe format {file}`")
    write_back(file, new.encode())
    sys.stderr.write(f"{file} is written again\n")


@recipe.command(cls=Command)
def diff(old: File, new: File, as_json: Json = False) -> None:
    """Tell what one recipe says differently from another: variables and settings, old → new, with lines."""
    from sparsebuild.recipe.difference import differences

    first, second = (_resolved(name, _text(name), {}) for name in (old, new))
    found = differences(first, second)
    if as_json:
        from sparsebuild.cli.output import write_document

        write_document({"old": old, "new": new, "differences": [one.to_json() for one in found]})
        return
    from sparsebuild.ui import schedule

    schedule.show_differences(found, sys.stdout)


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


def _source(
    file: str, pairs: Sequence[str], project: Project | None, variant: str = ""
) -> tuple[str, str, Mapping[str, Any]]:
    """A recipe's name, its text and its arguments; of the project's own also those that the project gives."""
    from sparsebuild.errors import UserError

    if file and variant:
        raise UserError("`--variant` is for the recipes of a project", hint="leave FILE out")
    if file:
        return file, _text(file), arguments(pairs)
    asked = _asked(project, variant) if project else None
    if project is None or asked is None:
        hint = "as in `sparsebuild recipe show recipe.yaml`"
        raise UserError("name a recipe, or a project (`-C DIR`) that has one", hint=hint)
    from sparsebuild.manifest import split_source

    scheme, rest = split_source(asked.source)
    given = {**asked.args, **arguments(pairs)}
    if scheme == "file":
        return rest, _text(str(project.layout.root / rest), rest), given
    if scheme == "builtin":
        return asked.source, _text(asked.source), given
    from sparsebuild.resolve import recipe_source, recipe_text

    locked = recipe_text(project.lock, project.context, variant) if project.lock else None
    if locked is None:
        raise UserError("the recipe is not in the cache yet", hint="run `sparsebuild lock` first")
    assert project.lock is not None  # it has the text
    pinned = recipe_source(project.lock, variant)
    return pinned.files[0].path if pinned else rest, locked, given


def _asked(project: Project, variant: str) -> Recipe | None:
    from sparsebuild.cli.project import check_variant

    check_variant(project, variant)
    return project.manifest.of(variant).recipe


def _resolved(name: str, text: str, args: Mapping[str, Any]) -> tuple[Document, Resolved]:
    from sparsebuild import recipe as recipes

    document = recipes.read(text, name.replace(_BUILTIN, "", 1) if name.startswith(_BUILTIN) else name)
    return document, recipes.resolve(document, args)


def _project(folder: Path, file: str) -> Project | None:
    """The project there, if it is one. Where a recipe is named, one that cannot be read is none."""
    from sparsebuild.errors import SparsebuildError
    from sparsebuild.layout import MANIFEST_NAME

    if not (folder / MANIFEST_NAME).is_file():
        return None
    from sparsebuild.cli.project import open_project

    try:
        return open_project(folder)
    except SparsebuildError:
        if not file:
            raise
        return None


def _epochs(specs: Sequence[Modifier], manifest: Manifest | None) -> float:
    """How many epochs training lasts, as training itself decides it; without end where nobody says."""
    from sparsebuild import modifiers

    said = modifiers.epochs(specs)
    return said or (math.ceil(manifest.train.num_train_epochs) if manifest else math.inf)


def _finite(epochs: float) -> float | None:
    return epochs if math.isfinite(epochs) else None


def _span_json(found: Phase | Stretch) -> dict[str, Any]:
    """With null for an end that nobody knows."""
    from dataclasses import asdict

    return {**asdict(found), "end": _finite(found.end)}


def _file_grid(manifest: Manifest | None) -> Any:
    """What quantization rounds to: as the project's `export.scheme` wants it, or as `portable` does."""
    from sparsebuild.exporters import GRIDS
    from sparsebuild.modifiers.base import FileGrid

    grid: dict[str, Any] = dict(GRIDS.get(manifest.export.scheme, {})) if manifest else {}
    return FileGrid(**grid)


def _tensors(project: Project | None) -> Any:
    if project is None or project.lock is None:
        return None
    from sparsebuild.cli.matching import tensors

    return tensors(project)


def _matches(resolved: Resolved, project: Project | None) -> Sequence[Matched]:
    """What the recipe's names mean in the project's model; nothing where that is not known."""
    from sparsebuild.modifiers import matching

    found = _tensors(project)
    return matching.matches(resolved, found) if found else ()


def _metadata(document: Document) -> dict[str, Any]:
    """What `__metadata__` says, of the whole recipe under "" and of each stage under its name."""
    from sparsebuild.recipe.document import plain

    found = {"": document.metadata, **{stage.name: stage.metadata for stage in document.stages}}
    return {name: plain(metadata) for name, metadata in found.items() if metadata}


def _matched_json(found: Matched) -> dict[str, Any]:
    where = str(found.position) if found.position else ""
    said = {"modifier": found.modifier, "setting": found.setting, "text": found.text, "where": where}
    return {**said, "names": list(found.names)}


def _uses_json(found: Any) -> dict[str, Any]:
    return {
        "name": found.name,
        "stage": found.stage,
        "where": str(found.position),
        "default": found.written,
        "value": found.value,
        "can_be_set": found.is_settable,
        "used": [{"in": use.what, "where": str(use.position) if use.position else ""} for use in found.uses],
    }


def _text(file: str, name: str = "") -> str:
    """The text of a file, told as `name`, or of a recipe that comes with us."""
    from sparsebuild.errors import UserError
    from sparsebuild.reading import read_small

    shown = name or file
    if file.startswith(_BUILTIN):
        from sparsebuild.providers.builtin import builtin_recipe

        return builtin_recipe(file).read_text(encoding="utf-8")
    try:
        return read_small(Path(file), _LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"`{shown}` is not UTF-8", hint="save it as UTF-8 in your editor") from None
    except OSError as error:
        raise UserError(f"`{shown}` cannot be read: {error.strerror}") from None
