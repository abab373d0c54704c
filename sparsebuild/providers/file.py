"""`file:` sources: a file, a folder, a pattern, or several of these, below the project or anywhere on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from os.path import commonpath
from pathlib import Path

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource, path_fault
from sparsebuild.providers.base import Context, Resolution, Want, hash_mismatch, is_wanted, missing_from_model

__all__ = ["FileProvider"]


class FileProvider:
    """Hashes what lies there, through the stat cache; the lock records the bytes, the request the path as written."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        paths = _paths(request, want, context.root)
        locked = []
        for name, path in sorted(paths.items()):
            if fault := path_fault(name):
                raise UserError(f"the file name {name!r} cannot be locked: {fault}", hint="rename the file")
            locked.append(LockedFile(path=name, size=path.stat().st_size, sha256=_digest(path, context)))
        return Resolution(files=tuple(locked))

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        paths = _paths(source.request, _want(source), context.root)
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


def _paths(request: str, want: Want, root: Path) -> dict[str, Path]:
    """The files of a request by the names they have in the lock."""
    requests = [line.removeprefix("file:") for line in request.split("\n")]
    found: list[Path] = []
    for text in requests:
        matched = _matched(text, root)
        if len(matched) == len(requests) == 1 and matched[0].is_dir():
            return _in_folder(matched[0], text, want)
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


def _in_folder(folder: Path, text: str, want: Want) -> dict[str, Path]:
    """The wanted files right in a folder."""
    if want == "recipe":
        raise UserError(f"`{text}` is a folder; a recipe is one file", hint="name the file in it")
    names = {p.name: p for p in folder.iterdir() if is_wanted(p.name, want) and p.is_file()}
    fault = missing_from_model(names) if want == "model" else "" if names else "holds no .jsonl, .json or .csv file"
    if fault:
        raise UserError(f"`{text}` {fault}", hint="correct the path, or put the files there")
    return names


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
