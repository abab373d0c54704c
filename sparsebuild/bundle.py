"""A project with every byte that its lock pins, as one tar file: for a machine without a network.

    bundle.json         which form this has, and the sha256 of each file of the project
    objects/<sha256>    the files of its sources, but for those that lie in the project
    project/<path>      sparse.toml, sparse.lock, and the files of the project that sources name

Nothing else of the project's folder is taken: it may hold secrets, and a build reads nothing else. The same project
gives the same bytes, whenever and wherever it is packed. What is unpacked is a stranger's: a bundle whose bytes are not
those of its own lock, or that holds anything more, is refused as a whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os.path import normpath
from pathlib import Path
from typing import IO, Any

from sparsebuild import lock as locks
from sparsebuild.digest import file_digest
from sparsebuild.engine.store import Missing
from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.layout import LOCK_NAME, MANIFEST_NAME
from sparsebuild.lock import Lock, LockedSource, names_fault, path_fault
from sparsebuild.manifest import parse, read_text
from sparsebuild.providers import LOCAL, Context, ensure, scheme_of
from sparsebuild.providers.archive import MOST_MEMBERS, Archive, archive, kept
from sparsebuild.providers.file import located
from sparsebuild.resolve import is_current, requests

__all__ = ["pack", "unpack"]

_VERSION = 1
_HEAD = "bundle.json"
_LARGEST_HEAD = 1 << 20  # bytes; what is read at once of an archive is bounded too
_BLOCK = 1 << 20  # bytes
_ANEW = "copy the bundle again, or make it again"


def pack(stream: IO[bytes], lock: Lock, context: Context) -> int:
    """Write the bundle of the project at `context.root`, which `lock` answers; how many files it holds.

    Raises UserError for sources outside the project, and what `ensure` raises for those that cannot be had.
    """
    inside = {MANIFEST_NAME: context.root / MANIFEST_NAME, LOCK_NAME: context.root / LOCK_NAME}
    for source in lock.sources:
        if _is_local(source):
            inside |= _in_project(source, context.root)
    objects = _objects(lock)
    if fault := names_fault(inside):
        raise UserError(f"the project cannot be bundled: {fault}", hint="rename one of them")
    head = {"bundle-version": _VERSION, "files": {path: file_digest(file) for path, file in sorted(inside.items())}}
    data = json.dumps(head, indent=1, ensure_ascii=False).encode()
    if len(inside) + len(objects) >= MOST_MEMBERS or len(data) > _LARGEST_HEAD:
        raise UserError(f"a bundle holds at most {MOST_MEMBERS:,} files, and this project has more")
    with tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, _HEAD, len(data), io.BytesIO(data))
        for sha256, source in sorted(objects.items()):
            with _object(sha256, source, context) as file:
                _add_file(tar, f"objects/{sha256}", file)
        for path, file in sorted(inside.items()):
            _add_file(tar, f"project/{path}", file)
    return 1 + len(objects) + len(inside)


def unpack(bundle: Path, folder: Path, context: Context) -> Lock:
    """Put the project into `folder`, which is empty, and the files of its sources into the store; its lock.

    Raises SourceUnavailable for a bundle that is refused, and HashMismatch for one whose bytes are not what it says.
    """
    what = f"`{bundle.name}`"
    with archive(bundle, what, context.temporary) as found:
        digests = _head(found, what)
        objects = {name.removeprefix("objects/") for name in found.sizes if name.startswith("objects/")}
        expected = {_HEAD, *(f"objects/{name}" for name in objects), *(f"project/{path}" for path in digests)}
        if surplus := sorted(found.sizes.keys() ^ expected):
            raise _refused(what, f"`{surplus[0]}` is not where its table says")
        for path, sha256 in digests.items():
            _write(found, path, sha256, folder / path, what)
        lock = _checked(folder, replace(context, root=folder), what)
        if wrong := sorted(objects ^ _objects(lock).keys()):
            raise _refused(what, f"its lock and its files do not agree about {wrong[0]}")
        for sha256 in sorted(objects):
            if kept(found, f"objects/{sha256}", sha256, context).sha256 != sha256:
                raise HashMismatch(f"`objects/{sha256}` in {what} has other bytes than its name says", hint=_ANEW)
    return lock


def _is_local(source: LockedSource) -> bool:
    return scheme_of(source.request) in LOCAL


def _in_project(source: LockedSource, root: Path) -> dict[str, Path]:
    """The files of a local source, by their paths in the project."""
    if fault := _leads_out(source.request):
        raise UserError(
            f"`{source.name}` is {fault}, which only this machine has",
            hint="copy it into the project, or take it from a server",
        )
    found = {}
    for file in located(source, root).values():
        if not file.resolve().is_relative_to(root.resolve()):
            raise UserError(
                f"`{file.name}` of `{source.name}` is a link that leads out of the project",
                hint="put the file itself there",
            )
        path = Path(normpath(file)).relative_to(root).as_posix()
        if fault := _project_fault(path):
            raise UserError(f"`{path}` of `{source.name}` cannot be bundled: {fault}", hint="move or rename it")
        found[path] = file
    return found


def _leads_out(request: str) -> str:
    """The part of a local request that is not below the project, or nothing."""
    for line in request.split("\n"):
        path = Path(line.removeprefix("file:"))
        if path.is_absolute() or ".." in path.parts or str(path).startswith("~"):
            return f"`{path}`"
    return ""


def _project_fault(path: str) -> str:
    """Why a file may not stand there, or nothing: what begins with a dot can change what programs do in a folder."""
    parts = path.split("/")
    if fault := path_fault(path):
        return fault
    if any(part.startswith(".") for part in parts) or parts[0].casefold() == "build":
        return "it is where programs keep their own files"
    return ""


def _objects(lock: Lock) -> dict[str, LockedSource]:
    """What has to come from the store, and a source that it belongs to."""
    return {file.sha256: source for source in lock.sources if not _is_local(source) for file in source.files}


# ---- packing


@contextmanager
def _object(sha256: str, source: LockedSource, context: Context) -> Iterator[Path]:
    """A copy of an object, checked."""
    context.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=context.temporary) as folder:
        copy = Path(folder, "object")
        ensure(source, context)
        try:
            context.store.copy_to(sha256, copy)
        except Missing:  # it was rotten, and is thrown away now
            ensure(source, context)
            context.store.copy_to(sha256, copy)
        yield copy


def _add_file(tar: tarfile.TarFile, name: str, file: Path) -> None:
    with file.open("rb") as stream:
        _add(tar, name, stream.seek(0, io.SEEK_END), stream)


def _add(tar: tarfile.TarFile, name: str, size: int, stream: IO[bytes]) -> None:
    """Add a member of which nothing tells who made it, where and when."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    stream.seek(0)
    tar.addfile(info, stream)


# ---- unpacking


def _head(found: Archive, what: str) -> Mapping[str, str]:
    """The files of the project and their sha256."""
    if not 0 < found.sizes.get(_HEAD, 0) <= _LARGEST_HEAD:
        raise _refused(what, "it is no bundle of sparsebuild")
    with found.open(_HEAD) as stream:
        data = stream.read(_LARGEST_HEAD)
    try:
        head: Any = json.loads(data)
        version, files = head["bundle-version"], {str(path): str(sha256) for path, sha256 in head["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _refused(what, f"its `{_HEAD}` is not one") from None
    if version != _VERSION:
        raise UserError(
            f"{what} is a bundle of version {version!r}; this sparsebuild reads {_VERSION}",
            hint="upgrade: `pip install --upgrade sparsebuild`",
        )
    for path in files:
        if fault := _project_fault(path):
            raise _refused(what, f"it holds {path[:300]!r}: {fault}")
    if not {MANIFEST_NAME, LOCK_NAME} <= files.keys():
        raise _refused(what, "it holds no project")
    return files


def _write(found: Archive, path: str, promised: str, destination: Path, what: str) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with found.open(f"project/{path}") as reader, destination.open("xb") as writer:
        while block := reader.read(_BLOCK):
            digest.update(block)
            writer.write(block)
    if digest.hexdigest() != promised:
        raise HashMismatch(f"`{path}` in {what} has other bytes than it was packed with", hint=_ANEW)


def _checked(folder: Path, context: Context, what: str) -> Lock:
    """The lock of what was unpacked, which answers its manifest and is the sha256 of its files."""
    lock = locks.read(folder / LOCK_NAME)
    assert lock is not None  # it was just written
    manifest = parse(read_text(folder / MANIFEST_NAME), MANIFEST_NAME)
    for request in requests(manifest):
        if request.is_local and (fault := _leads_out(request.source)):
            raise _refused(what, f"it reads {fault} of this machine")
    for difference in is_current(manifest, lock, context):
        raise _refused(what, f"its lock does not answer it: {difference}")
    return lock


def _refused(what: str, why: str) -> SourceUnavailable:
    return SourceUnavailable(f"{what} is refused: {why}", hint="nothing of it was kept")
