"""`sparsebuild publish`: what was promoted goes to the Hub, or into a folder, as one whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsebuild.cli.options import Json, Profile, ProjectFolder, Settings, Variant
from sparsebuild.cli.telling import say
from sparsebuild.layout import built

if TYPE_CHECKING:
    from sparsebuild.cli.project import Project
    from sparsebuild.shipping.parcel import Item

__all__ = ["publish"]


def publish(
    destination: Annotated[
        str, typer.Argument(metavar="WHERE", help="hf:ORG/NAME, a model repository of the Hub, or dir:PATH, a folder.")
    ],
    variant: Variant = "",
    project: ProjectFolder = Path(),
    profile: Profile = "",
    settings: Settings = None,
    private: Annotated[
        bool, typer.Option("--private", help="Where the repository is made now, make it a private one.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would be published; send nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish the promoted model with its card, lock and provenance; nothing whose gates do not hold."""
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import check_variant, open_project
    from sparsebuild.shipping.parcel import pack

    scheme, where = _destination(destination, private)
    opened = open_project(project, profile=profile, settings=settings or ())
    check_variant(opened, variant)
    _refuse_unpromoted(opened, variant)
    items = pack(opened.layout.root / built("export/hub", variant))
    if not as_json:
        _show(destination, items)
    done: dict[str, Any] = {} if dry_run else _send(scheme, where, items, opened, variant, private)
    if as_json:
        files = [{"path": item.path, "bytes": item.size} for item in items]
        write_document({"destination": destination, "is_dry_run": dry_run, "files": files, **done})
    else:
        _tell(dry_run, done)


def _destination(text: str, private: bool) -> tuple[str, str]:
    from sparsebuild.errors import UserError

    scheme, _, where = text.partition(":")
    if scheme not in ("hf", "dir") or not where:
        raise UserError(f"`{text}` is nowhere to publish to", hint="hf:ORG/NAME for the Hub, dir:PATH for a folder")
    if scheme == "hf" and where.count("/") != 1:
        raise UserError(f"`{text}` does not name a repository", hint="hf:ORG/NAME")
    if scheme == "dir" and private:
        raise UserError("`--private` is for repositories of the Hub")
    return scheme, where


def _refuse_unpromoted(project: Project, variant: str) -> None:
    """Raise TargetFailed unless what stands in the folder of exports is what a run would promote now."""
    from sparsebuild.cli.forecast import forecast
    from sparsebuild.errors import TargetFailed

    gate = f"gate@{variant}" if variant else "gate"
    stale = [decision for decision in forecast(project, [gate]) if decision.verdict != "fresh"]
    if stale:
        told = "\n".join(f"  {d.action}: {reason}" for d in stale for reason in d.reasons) or f"  {stale[0].action}"
        command = " ".join(["sparsebuild run", *project.written.options, *([gate] if variant else [])])
        raise TargetFailed(
            f"{built('export', variant)} is not what this project would promote now:\n{told}",
            hint=f"`{command}` builds it, and promotes it if every gate holds",
        )


def _send(
    scheme: str, where: str, items: Sequence[Item], project: Project, variant: str, private: bool
) -> dict[str, Any]:
    if scheme == "dir":
        from sparsebuild.shipping.place import place

        place(Path(where), items)
        return {"folder": where}
    from dataclasses import asdict

    from sparsebuild.shipping.hub import publish as publish_to_hub

    title = project.manifest.project.name + (f"@{variant}" if variant else "")
    message = f"{title}, built with sparsebuild"
    return asdict(publish_to_hub(where, items, private=private, message=message, say=say))


def _show(destination: str, items: Sequence[Item]) -> None:
    from sparsebuild.ui.figures import size
    from sparsebuild.ui.inert import inert

    width = max(len(item.path) for item in items)
    for item in items:
        sys.stdout.write(f"{item.path:<{width}}  {size(item.size):>9}\n")
    total = size(sum(item.size for item in items))
    sys.stdout.write(f"{len(items)} files, {total}, for {inert(destination)}\n")
    sys.stdout.flush()


def _tell(dry_run: bool, done: dict[str, Any]) -> None:
    from sparsebuild.ui.inert import inert

    if dry_run:
        say("nothing was published: this was a dry run")
    elif "folder" in done:
        sys.stdout.write(f"published in {inert(done['folder'])}\n")
    else:
        verb = "published" if done["is_changed"] else "there already, nothing to publish"
        sys.stdout.write(f"{verb}: {inert(done['url'])}, commit {done['commit']}\n")
        for path in done["removed"]:
            say(f"removed there: {path}, which an earlier build had left")
        for path in done["kept"]:
            say(f"left there: {path}, which is no file of this build")
