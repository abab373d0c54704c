"""`sparse.lock`: what every source of a project turned out to be, file by file. Inputs only; no state, no machine.

The file is the same bytes for the same values, wherever and whenever it is written, so that version control shows what
changed and nothing else.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from sparsebuild.errors import Position, Problem, UserError

__all__ = [
    "Lock",
    "LockedFile",
    "LockedSource",
    "MergeMarkers",
    "VERSION",
    "parse",
    "path_fault",
    "read",
    "text",
    "write",
]

VERSION = 1

_HEAD = "# Written by sparsebuild; commit it. To resolve a merge conflict run `sparsebuild lock`."
_MERGE_MARKER = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ANEW = "restore it from version control, or delete it and run `sparsebuild lock`"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One file of a source; `path` is relative to the source, with forward slashes."""

    path: str
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSource:
    """What one request became."""

    name: str  # its key path in the manifest: "model", "teacher.train", "data.unlabelled"
    kind: str  # scheme and purpose: "pypi-model", "file-data"
    request: str  # as the manifest asks; several of one source stand on lines of their own
    version: str | None = None  # of a package
    commit: str | None = None  # of a repository
    files: tuple[LockedFile, ...]  # sorted by path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All sources, sorted by kind and name."""

    version: int = VERSION
    sources: tuple[LockedSource, ...] = ()

    def source(self, name: str) -> LockedSource | None:
        """The source of that name, if there is one."""
        return next((source for source in self.sources if source.name == name), None)


class MergeMarkers(UserError):
    """The lock is a merge conflict; locking anew resolves it."""


def read(path: Path) -> Lock | None:
    """The lock in a file, or None when there is none.

    Raises MergeMarkers where version control left a conflict, and UserError for what is not a lock of this version.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"`{path.name}` cannot be read: {error.strerror}") from None
    try:
        return parse(data.decode(), file=path.name)
    except UnicodeDecodeError:
        raise UserError(f"`{path.name}` is not UTF-8", hint=_ANEW) from None


def write(path: Path, lock: Lock) -> None:
    """Write the lock, whole or not at all; a file that says the same already is left alone."""
    data = text(lock).encode()
    if path.is_file() and path.read_bytes() == data:
        return
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with new.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def text(lock: Lock) -> str:
    """The lock as it stands in the file."""
    blocks = [f"{_HEAD}\nlock-version = {lock.version}\n"]
    blocks += [_block(source) for source in sorted(lock.sources, key=lambda s: (s.kind, s.name))]
    return "\n".join(blocks)


def parse(text: str, file: str = "sparse.lock") -> Lock:
    """The lock in a text; raises as `read` does."""
    if marker := _MERGE_MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise MergeMarkers(
            Problem(
                message=f"`{file}` holds the marks of a merge conflict",
                position=Position(file=file, line=line),
                hint="run `sparsebuild lock`; it resolves the conflict",
            )
        )
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        position = Position(file=file, line=error.lineno, column=error.colno)
        message = f"`{file}` is not TOML: {error.msg[:1].lower()}{error.msg[1:]}"
        raise UserError(Problem(message=message, position=position, hint=_ANEW)) from None
    try:
        return _lock(document, file)
    except ValueError as error:
        raise UserError(f"`{file}` is not a lock: {error}", hint=_ANEW) from None


def path_fault(path: str) -> str:
    """Why `path` may not stand in a lock, or nothing: it must stay within the folder it is put into, everywhere."""
    if not path or path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "it is not relative"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "it has an empty part, `.` or `..`"
    if "\\" in path or any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in path):
        return "it holds a backslash or a control character"
    return ""


def _block(source: LockedSource) -> str:
    lines = ["[[source]]", f"name = {_quoted(source.name)}", f"kind = {_quoted(source.kind)}"]
    lines.append(f"request = {_quoted(source.request)}")
    lines += [f"version = {_quoted(source.version)}"] if source.version is not None else []
    lines += [f"commit = {_quoted(source.commit)}"] if source.commit is not None else []
    lines.append("files = [")
    for file in sorted(source.files, key=lambda f: f.path):
        lines.append(f'  {{ path = {_quoted(file.path)}, size = {file.size}, sha256 = "{file.sha256}" }},')
    return "\n".join([*lines, "]", ""])


def _quoted(value: str) -> str:
    """A TOML basic string."""
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return (
        '"' + "".join(short.get(c) or (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in value) + '"'
    )


def _lock(document: Mapping[str, Any], file: str) -> Lock:
    version = document.get("lock-version")
    if isinstance(version, int) and version > VERSION:
        raise UserError(
            f"`{file}` has lock-version {version}, written by a newer sparsebuild; this one reads {VERSION}",
            hint="upgrade: `pip install --upgrade sparsebuild`",
        )
    if version != VERSION or isinstance(version, bool):
        raise ValueError("`lock-version` is missing" if version is None else f"`lock-version` is {version!r}")
    _only(document, ("lock-version", "source"), "the lock")
    sources = tuple(_source(item) for item in _tables(document.get("source", []), "`source`"))
    if len({source.name for source in sources}) < len(sources):
        raise ValueError("two sources have the same name")
    return Lock(version=version, sources=tuple(sorted(sources, key=lambda s: (s.kind, s.name))))


def _source(data: Mapping[str, Any]) -> LockedSource:
    name = _text(data, "name", "a source")
    where = f"source `{name}`"
    _only(data, ("name", "kind", "request", "version", "commit", "files"), where)
    files = tuple(_file(item, where) for item in _tables(data.get("files"), f"`files` of {where}"))
    if len({file.path for file in files}) < len(files):
        raise ValueError(f"{where} names a file twice")
    return LockedSource(
        name=name,
        kind=_text(data, "kind", where),
        request=_text(data, "request", where),
        version=_text(data, "version", where) if "version" in data else None,
        commit=_text(data, "commit", where) if "commit" in data else None,
        files=tuple(sorted(files, key=lambda f: f.path)),
    )


def _file(data: Mapping[str, Any], where: str) -> LockedFile:
    path, size, sha256 = _text(data, "path", where), data.get("size"), _text(data, "sha256", where)
    _only(data, ("path", "size", "sha256"), where)
    if fault := path_fault(path):
        raise ValueError(f"{where} has the path {path!r}: {fault}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"{where} has no size for `{path}`")
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{where} has no sha256 for `{path}`")
    return LockedFile(path=path, size=size, sha256=sha256)


def _tables(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{what} is not a list of tables")
    return value


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where} has no `{key}`")
    return value


def _only(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in data:
        if key not in known:
            raise ValueError(f"{where} has the unknown key `{key}`")
