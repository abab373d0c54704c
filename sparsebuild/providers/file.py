"""`file:` sources: a file, a folder, a pattern, or several of these, below the project or anywhere on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os.path import commonpath, normpath
from pathlib import Path

from sparsebuild.errors import SourceUnavailable, SparsebuildError, UserError
from sparsebuild.lock import LockedFile, LockedSource, path_fault
from sparsebuild.providers.base import Context, Resolution, Want, are_rows, hash_mismatch, is_wanted
from sparsebuild.providers.builtin import builtin_names
from sparsebuild.providers.pattern import is_pattern, matching
from sparsebuild.reading import read_small

__all__ = ["FileProvider", "located"]

_SYSTEM = (("proc",), ("sys",), ("dev",))
_MOST_BELOW = 10_000  # names that are looked at for rows which a folder's own are not


class FileProvider:
    """Hashes what lies there, through the stat cache; the lock records the bytes, the request the path as written."""

    def resolve(self, request: str, want: Want, context: Context) -> Resolution:
        paths = _paths(request, want, context.root, context.trust)
        if want == "data":
            _tell_below(request, context)
        locked = []
        for name, path in sorted(paths.items()):
            if fault := path_fault(name):
                raise UserError(f"the file name {name!r} cannot be locked: {fault}", hint="rename the file")
            locked.append(LockedFile(path=name, size=path.stat().st_size, sha256=_digest(path, context)))
        return Resolution(files=tuple(locked))

    def bring(self, source: LockedSource, files: Sequence[LockedFile], context: Context) -> None:
        paths = located(source, context.root)
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


def located(source: LockedSource, root: Path) -> dict[str, Path]:
    """Where the files of a source are, by the names that they have in the lock."""
    return _paths(source.request, _want(source), root, source.trust)


def _want(source: LockedSource) -> Want:
    wants: dict[str, Want] = {"file-model": "model", "file-recipe": "recipe"}
    return wants.get(source.kind, "data")


def _paths(request: str, want: Want, root: Path, trust: str) -> dict[str, Path]:
    """The files of a request by the names they have in the lock."""
    requests = [line.removeprefix("file:") for line in request.split("\n")]
    found: list[Path] = []
    for text in requests:
        matched = _matched(text, root, want)
        if len(matched) == len(requests) == 1 and matched[0].is_dir():
            return _in_folder(matched[0], text, want, trust)
        found += matched
    _refuse_system(found)
    if want == "model":
        raise UserError(
            f"`{' '.join(requests)}` is no folder, and a model is one",
            hint="name the folder that holds its config.json, its weights and its tokenizer",
        )
    once = {path.parent.resolve() / path.name: path for path in reversed(found)}
    return _named(list(once.values()), root)


def _matched(text: str, root: Path, want: Want) -> list[Path]:
    """The file or folder that `text` names, or the files that match it."""
    path = root / _expanded(text)
    if _exists(path, text):
        return [path]
    if is_pattern(text):
        if files := matching(str(_expanded(text)), root):
            _refuse_dangling(files, text)
            return [file for file in files if file.is_file()]
        raise UserError(f"no file matches `{text}`", hint="correct the pattern, or put the files there")
    meant = f"; if another was meant: `{other}`" if (other := _elsewhere(text, want)) else ""
    raise UserError(f"there is no file or folder `{text}`", hint=f"correct the path, or put the file there{meant}")


def _elsewhere(text: str, want: Want) -> str:
    """What is no path here, but may be meant as a name of the Hub or of a recipe that comes with us."""
    if want == "recipe":
        return f"builtin:{text}" if text in builtin_names() else ""
    is_name = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text) and not Path(text).suffix
    return f"hf:{text}" if is_name else ""


def _expanded(text: str) -> Path:
    """The path, with the home folder for `~`."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"`{text}` is in the home folder of nobody here", hint="correct the path") from None


def _exists(path: Path, text: str) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise UserError(f"`{text[:200]}` cannot be looked at: {error.strerror}", hint="correct the path") from None


def _refuse_system(paths: Sequence[Path]) -> None:
    """Raise for files that are not on a disk: what the system tells of itself and of us, our environment included."""
    for path in paths:
        if path.resolve().parts[1:2] in _SYSTEM:
            raise UserError(f"`{path.name}` is not a file of a disk, but of the system", hint="correct the path")


def _refuse_dangling(paths: Iterable[Path], text: str) -> None:
    """Raise for rows that are a link to nowhere, as those of git-annex and DVC are until they are fetched."""
    for path in paths:
        if path.is_symlink() and not path.exists() and are_rows(path.name):
            raise UserError(
                f"`{path.name}` of `{text}` is a link that leads nowhere", hint="bring the file it means, or remove it"
            )


def _tell_below(request: str, context: Context) -> None:
    """Say where rows lie below a folder that is a source, for only those right in it are taken."""
    text = request.removeprefix("file:")
    folder = context.root / _expanded(text)
    if "\n" not in request and folder.is_dir() and (below := _below(folder)):
        context.report(f"only files right in `{text}` are taken, `{below}` in it is not: for all, {_all_below(text)}")


def _below(folder: Path) -> str:
    """A file of rows in a folder of the folder, by its path in it; empty where none is found."""
    looked_at = 0
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        looked_at += len(folders) + len(names)
        found = min(filter(are_rows, names), default="") if Path(place) != folder else ""
        if found or looked_at > _MOST_BELOW:
            return (Path(place) / found).relative_to(folder).as_posix() if found else ""
    return ""


def _all_below(text: str) -> str:
    return f"name `{text.rstrip('/')}/**/*.jsonl`, with the ending that they have"


def _in_folder(folder: Path, text: str, want: Want, trust: str) -> dict[str, Path]:
    """The wanted files right in a folder."""
    if want == "recipe":
        raise UserError(f"`{text}` is a folder; a recipe is one file", hint="name the file in it")
    inside = list(folder.iterdir())
    files = {p.name: p for p in inside if p.is_file()}
    _refuse_system(list(files.values()))
    if want == "model":
        return _of_model(files, text, trust)
    _refuse_dangling(inside, text)
    wanted = {name: path for name, path in files.items() if is_wanted(name, want)}
    if not wanted:
        below = _below(folder)
        raise UserError(
            f"`{text}` holds no .jsonl, .json, .csv, .conll or .parquet file" + (f", but `{below}`" if below else ""),
            hint=_all_below(text) if below else "correct the path, or put the files there",
        )
    return wanted


def _of_model(files: Mapping[str, Path], text: str, trust: str) -> dict[str, Path]:
    from sparsebuild.providers.weights import CONFIGS, LARGEST_CONFIG, needed, refuse_code

    try:
        wanted = needed(files, trust, lambda name: read_small(files[name], LARGEST_CONFIG))
        for name in set(CONFIGS) & set(wanted):
            refuse_code(name, read_small(files[name], LARGEST_CONFIG))
        return {name: files[name] for name in wanted}
    except SparsebuildError as error:
        told = (replace(p, message=f"`{text}`: {p.message}") for p in error.problems)
        raise type(error)(*told) from None


def _named(paths: list[Path], root: Path) -> dict[str, Path]:
    """One file by its name; several by their paths below the folder that they share."""
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"`{path.name}` is not a file", hint="a list holds files and patterns such as `more/*.jsonl`"
            )
    if len(paths) == 1:
        return {paths[0].name: paths[0]}
    seen = {_from(root, path): path for path in paths}
    if len(seen) < len(paths):
        lost = next(path for path in paths if path not in seen.values())
        raise UserError(f"two files of a list are locked as `{_from(root, lost)}`", hint="move one of them")
    shared = commonpath([place.parent for place in seen])
    return {place.relative_to(shared).as_posix(): path for place, path in seen.items()}


def _from(root: Path, path: Path) -> Path:
    """Where a file is, seen from the project, as it was written: what folders above that are called says nothing."""
    if not path.is_relative_to(root):
        return Path("root", *path.parts[1:])
    parts = Path(normpath(path.relative_to(root))).parts
    return Path(*("up" if part == ".." else part for part in parts))  # a lock holds no `..`


def _digest(path: Path, context: Context) -> str:
    try:
        return context.digests.digest(path)
    except OSError as error:
        raise SourceUnavailable(f"`{path.name}` cannot be read: {error.strerror}") from None


def _shown(request: str) -> str:
    return ", ".join(f"`{line.removeprefix('file:')}`" for line in request.split("\n"))
