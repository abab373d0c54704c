"""`file:` sources: a file, a folder, a pattern, or several of these, below the project or anywhere on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from glob import glob
from os.path import commonpath
from pathlib import Path

from sparsebuild.errors import SourceUnavailable, SparsebuildError, UserError
from sparsebuild.lock import LockedFile, LockedSource, path_fault
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch, is_wanted

__all__ = ["FileProvider"]


class FileProvider:
    """Hashes what lies there, through the stat cache; the lock records the bytes, the request the path as written."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        paths = _paths(request, want, context.root, context.trust)
        locked = []
        for name, path in sorted(paths.items()):
            if fault := path_fault(name):
                raise UserError(f"the file name {name!r} cannot be locked: {fault}", hint="rename the file")
            locked.append(LockedFile(path=name, size=path.stat().st_size, sha256=_digest(path, context)))
        return Resolution(files=tuple(locked))

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        paths = _paths(source.request, _want(source), context.root, source.trust)
        for file in files:
            if file.path not in paths:
                raise SourceUnavailable(
                    f"`{file.path}` of `{source.name}` is gone from {_shown(source.request)}",
                    hint="bring it back, or run `sparsebuild lock`",
                )
            # Put first and compare what was put: the file can change between a look and a copy.
            found = context.store.put(paths[file.path])
            if found != file.sha256:
                raise hash_mismatch(source, file, found, "the file changed since it was locked: run `sparsebuild lock`")


def _want(source: LockedSource) -> Want:
    wants: dict[str, Want] = {"file-model": "model", "file-recipe": "recipe"}
    return wants.get(source.kind, "data")


def _paths(request: str, want: Want, root: Path, trust: str) -> dict[str, Path]:
    """The files of a request by the names they have in the lock."""
    requests = [line.removeprefix("file:") for line in request.split("\n")]
    found: list[Path] = []
    for text in requests:
        matched = _matched(text, root)
        if len(matched) == len(requests) == 1 and matched[0].is_dir():
            return _in_folder(matched[0], text, want, trust)
        found += matched
    return _named(list(dict.fromkeys(found)))


def _matched(text: str, root: Path) -> list[Path]:
    """The file or folder that `text` names, or the files that match it."""
    path = root / Path(text).expanduser()
    if path.exists():
        return [path]
    if any(c in text for c in "*?["):
        pattern = str(Path(text).expanduser())
        # Not Path.glob: it takes no absolute pattern, and `root / pattern` would read the project's own name as one.
        matched = [root / name for name in glob(pattern, root_dir=root, recursive=True)]  # noqa: PTH207
        if files := sorted(p for p in matched if p.is_file()):
            return files
        raise UserError(f"no file matches `{text}`", hint="correct the pattern, or put the files there")
    raise UserError(f"there is no file or folder `{text}`", hint="correct the path, or put the file there")


def _in_folder(folder: Path, text: str, want: Want, trust: str) -> dict[str, Path]:
    """The wanted files right in a folder."""
    if want == "recipe":
        raise UserError(f"`{text}` is a folder; a recipe is one file", hint="name the file in it")
    files = {p.name: p for p in folder.iterdir() if p.is_file()}
    if want == "model":
        return _of_model(files, text, trust)
    wanted = {name: path for name, path in files.items() if is_wanted(name, want)}
    if not wanted:
        raise UserError(
            f"`{text}` holds no .jsonl, .json, .csv or .parquet file", hint="correct the path, or put the files there"
        )
    return wanted


def _of_model(files: Mapping[str, Path], text: str, trust: str) -> dict[str, Path]:
    from sparsebuild.providers.weights import needed

    try:
        return {name: files[name] for name in needed(files, trust, lambda name: files[name].read_bytes())}
    except SparsebuildError as error:
        told = (replace(p, message=f"`{text}`: {p.message}") for p in error.problems)
        raise type(error)(*told) from None


def _named(paths: list[Path]) -> dict[str, Path]:
    """One file by its name; several by their paths below the folder that they share."""
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"`{path.name}` is not a file", hint="a list holds files and patterns such as `more/*.jsonl`"
            )
    if len(paths) == 1:
        return {paths[0].name: paths[0]}
    shared = commonpath([path.parent.resolve() for path in paths])
    return {(path.parent.resolve() / path.name).relative_to(shared).as_posix(): path for path in paths}


def _digest(path: Path, context: Context) -> str:
    try:
        return context.digests.digest(path)
    except OSError as error:
        raise SourceUnavailable(f"`{path.name}` cannot be read: {error.strerror}") from None


def _shown(request: str) -> str:
    return ", ".join(f"`{line.removeprefix('file:')}`" for line in request.split("\n"))
