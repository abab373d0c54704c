"""`sparsebuild bundle` and `unbundle`: a project goes to a machine without a network."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsebuild.cli.offline import Offline, go_offline
from sparsebuild.cli.options import Base, Json, ProjectFolder
from sparsebuild.cli.staging import stage
from sparsebuild.cli.telling import say, shown

if TYPE_CHECKING:
    from sparsebuild.providers import Context

__all__ = ["bundle", "unbundle"]


def bundle(
    out: Annotated[Path, typer.Argument(metavar="OUT.tar", help="The file to write.")],
    project: ProjectFolder = Path(),
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over a file that is there.")] = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Pack the project, its lock and all sources into one tar file, for a machine without a network."""
    from sparsebuild.bundle import pack
    from sparsebuild.cli.offline import bring
    from sparsebuild.cli.output import write_document
    from sparsebuild.cli.project import open_project, refuse_changes
    from sparsebuild.digest import file_digest
    from sparsebuild.errors import UserError
    from sparsebuild.ui.figures import size

    go_offline(offline)
    if out.exists() and not force:
        raise UserError(f"`{out}` is there already", hint="name another file, or write over it with `--force`")
    with shown() as progress:
        opened = open_project(project, say, progress)
        refuse_changes(opened)
        assert opened.lock is not None  # it was compared
        bring(opened.lock.sources, opened.context)
    with _new(out) as new, new.open("xb") as stream:
        files = pack(stream, opened.lock, opened.context)
    weight = out.stat().st_size
    if as_json:
        write_document({"path": str(out), "files": files, "bytes": weight, "sha256": file_digest(out)})
    else:
        say(f"wrote {out}: {files} files, {size(weight)}; on the other machine: sparsebuild unbundle {out.name}")


def unbundle(
    file: Annotated[Path, typer.Argument(metavar="FILE.tar", help="What `sparsebuild bundle` wrote.")],
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Where; created if need be. Left out: FILE.", show_default=False),
    ] = None,
    project: Base = Path(),
) -> None:
    """Unpack what `bundle` packed: the project into DIR, and its sources into the cache."""
    from sparsebuild.bundle import unpack
    from sparsebuild.cli.init import refuse_to_overwrite

    destination = project / (folder or file.name.removesuffix(".tar"))
    _refuse(file, destination)
    refuse_to_overwrite(destination, "unbundle")
    with _staging(destination) as staging:
        lock = unpack(file, staging, _context(staging))
        for path in sorted(staging.iterdir()):
            path.rename(destination / path.name)
    _know(destination)
    there = shlex.quote(str(destination))
    say(f"unpacked {len(lock.sources)} sources into {destination}\nnext: cd {there} && sparsebuild run --offline")


def _refuse(file: Path, destination: Path) -> None:
    from sparsebuild.errors import UserError

    if not file.is_file():
        raise UserError(f"there is no file `{file}`", hint="`sparsebuild bundle OUT.tar` writes one")
    if destination.resolve() == file.resolve():
        raise UserError(f"`{file}` cannot be unpacked over itself", hint="name a folder as well")


@contextlib.contextmanager
def _new(out: Path) -> Iterator[Path]:
    """The path of a file that becomes `out` if all goes well."""
    from sparsebuild.atomic import settle, temporary
    from sparsebuild.errors import UserError

    try:
        with temporary(out.parent) as new:
            yield new
            settle(new, out)
    except OSError as error:
        raise UserError(f"`{out}` cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _staging(destination: Path) -> Iterator[Path]:
    """A folder in `destination`, which is made if need be and is gone again if it stays empty."""
    from sparsebuild.errors import UserError

    try:
        destination.mkdir(parents=True, exist_ok=True)
        staging = stage("unbundle", destination)
        try:
            yield staging
        finally:
            shutil.rmtree(staging)
            with contextlib.suppress(OSError):
                destination.rmdir()
    except OSError as error:
        raise UserError(f"cannot unpack into `{destination}`: {error.strerror}") from error


def _context(folder: Path) -> Context:
    """To look at what was just unpacked; nothing is asked of a network."""
    from sparsebuild.engine.stat_cache import StatCache
    from sparsebuild.engine.store import Store
    from sparsebuild.layout import ProjectLayout, cache_folder
    from sparsebuild.providers import Context

    return Context(
        root=folder,
        store=Store(cache_folder()),
        digests=StatCache(ProjectLayout(folder).stats),
        temporary=cache_folder() / "temporary",
        offline=True,
    )


def _know(folder: Path) -> None:
    """Let `gc` know for whom the cache now keeps these files."""
    from sparsebuild.engine.store import Store
    from sparsebuild.layout import cache_folder

    with contextlib.suppress(OSError):
        Store(cache_folder()).know(folder.resolve())
