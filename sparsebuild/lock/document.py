"""`sparse.lock`: what every source of a project turned out to be, file by file. Inputs only; no state, no machine.

The file is the same bytes for the same values, wherever and whenever it is written, so that version control shows what
changed and nothing else. Keys that this version does not know stay: another one wrote them, and may need them.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli

from sparsebuild.atomic import write_bytes
from sparsebuild.errors import Position, Problem, UserError
from sparsebuild.reading import is_deeper, read_small

__all__ = [
    "Lock",
    "LockedFile",
    "LockedSource",
    "MergeMarkers",
    "VERSION",
    "parse",
    "line_of",
    "names_fault",
    "path_fault",
    "read",
    "text",
    "write",
]

VERSION = 1

_LARGEST = 4_000_000  # bytes: tens of thousands of files
_DEEPEST = 50  # tables and lists inside each other

_HEAD = "# Written by sparsebuild; commit it. To resolve a merge conflict run `sparsebuild lock`."
_MERGE_MARKER = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # a key path; targets are called after it
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*[. ]")
_LONGEST_NAME, _LONGEST_PATH = 255, 1024  # bytes; what disks take, less what may stand before it
_MAY_BE_EMPTY = "data.test"  # a dataset need not have this split
# Keys that this version does not know, and their values as TOML.
Extra = tuple[tuple[str, str], ...]

_ANEW = "restore it from version control, or delete it and run `sparsebuild lock`"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One file of a source; `path` is relative to the source, with forward slashes."""

    path: str
    size: int  # bytes
    sha256: str
    extra: Extra = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSource:
    """What one request became."""

    name: str  # its key path in the manifest: "model", "teacher.train"; "recipe.NAME" is that of a variant
    kind: str  # scheme and purpose: "pypi-model", "file-data"
    request: str  # as the manifest asks; several of one source stand on lines of their own
    resolved: str = ""  # what was taken, where that is not what was asked: "hf:org/new-name", another branch
    trust: str = ""  # "pickle", where the manifest says so
    version: str | None = None  # of a package
    commit: str | None = None  # of a repository
    licence: str = ""  # as its card states it
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of a dataset: column -> names of its classes
    files: tuple[LockedFile, ...]  # sorted by path
    extra: Extra = ()

    @property
    def is_recipe(self) -> bool:
        """Whether it is the project's recipe, or a variant's: a setting of what trains, which no target fetches."""
        return self.name.partition(".")[0] == "recipe"

    @property
    def answers(self) -> tuple[str, str, str]:
        """The question that this is the answer to, whatever its name."""
        return self.kind, self.request, self.trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All sources, sorted by kind and name."""

    version: int = VERSION
    sources: tuple[LockedSource, ...] = ()
    extra: Extra = ()

    def source(self, name: str) -> LockedSource | None:
        """The source of that name, if there is one."""
        return next((source for source in self.sources if source.name == name), None)

    def of(self, variant: str) -> Lock:
        """What one model is built from, "" being the project's own: all but the recipes of other variants."""
        own = ("recipe", f"recipe.{variant}")
        return replace(self, sources=tuple(s for s in self.sources if not s.is_recipe or s.name in own))


class MergeMarkers(UserError):
    """The lock is a merge conflict; locking anew resolves it. `sides` are its two locks, ours first.

    The sources in `mixed` were put together line by line: on both sides they may be partly of the one, partly of the
    other.
    """

    sides: tuple[Lock, ...] = ()
    mixed: frozenset[str] = frozenset()


def read(path: Path) -> Lock | None:
    """The lock in a file, or None when there is none.

    Raises MergeMarkers where version control left a conflict, and UserError for what is not a lock of this version.
    """
    try:
        data = read_small(path, _LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"`{path.name}` cannot be read: {error.strerror}") from None
    try:
        return parse(data.decode(), file=path.name)
    except UnicodeDecodeError:
        raise UserError(f"`{path.name}` is not UTF-8", hint=_ANEW) from None


def each(paths: Iterable[Path]) -> Iterator[Lock]:
    """The locks at `paths`; what is not there, or cannot be read, is passed over."""
    for path in paths:
        with contextlib.suppress(UserError):
            if lock := read(path):
                yield lock


def write(path: Path, lock: Lock) -> None:
    """Write the lock, whole or not at all; a file that says the same already is left alone. An OSError names `path`."""
    data = text(lock).encode()
    if not path.is_file() or path.read_bytes() != data:
        write_bytes(path, data)


def text(lock: Lock) -> str:
    """The lock as it stands in the file."""
    extra = "".join(f"{_key(key)} = {value}\n" for key, value in lock.extra)
    blocks = [f"{_HEAD}\nlock-version = {lock.version}\n{extra}"]
    blocks += [_block(source) for source in sorted(lock.sources, key=lambda s: (s.kind, s.name))]
    return "\n".join(blocks)


def line_of(lock: Lock, name: str, path: str = "") -> int:
    """The line on which the source `name` begins in the lock's text, or that of its file `path`; 0 for neither."""
    within = ""
    for number, line in enumerate(text(lock).splitlines(), start=1):
        if line.startswith("name = "):
            within = line
            if not path and line == f"name = {_quoted(name)}":
                return number
        elif path and within == f"name = {_quoted(name)}" and line.startswith(f"  {{ path = {_quoted(path)},"):
            return number
    return 0


def parse(text: str, file: str = "sparse.lock") -> Lock:
    """The lock in a text; raises as `read` does."""
    if marker := _MERGE_MARKER.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        conflict = MergeMarkers(
            Problem(
                message=f"`{file}` holds the marks of a merge conflict",
                position=Position(file=file, line=line),
                hint="run `sparsebuild lock`; it resolves the conflict",
            )
        )
        conflict.sides, conflict.mixed = tuple(_sides(text, file)), _mixed(text)
        raise conflict
    try:
        document = tomli.loads(text)
    except RecursionError:
        document = None
    except tomli.TOMLDecodeError as error:
        position = Position(file=file, line=error.lineno, column=error.colno)
        message = f"`{file}` is not TOML: {error.msg[:1].lower()}{error.msg[1:]}"
        raise UserError(Problem(message=message, position=position, hint=_ANEW)) from None
    except ValueError:  # of Python: a number of more digits than it reads
        raise UserError(f"`{file}` holds a number that is too large", hint=_ANEW) from None
    if document is None or is_deeper(document, _DEEPEST):
        raise UserError(f"`{file}` is nested too deeply", hint=_ANEW)
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
    if any(len(part.encode()) > _LONGEST_NAME for part in path.split("/")) or len(path.encode()) > _LONGEST_PATH:
        return "it is too long"
    if any(_RESERVED.fullmatch(part) for part in path.split("/")):
        return "it is a name that Windows reserves, or ends in a dot or a blank"
    return ""


def names_fault(paths: Iterable[str]) -> str:
    """Why `paths` may not stand in one folder, or nothing: some disks take names for one that differ for others."""
    spelled: dict[str, str] = {}
    files = set()
    for path in paths:
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            part = "/".join(parts[:length])
            known = spelled.setdefault(_folded(part), part)
            if known != part:
                return f"{known!r} and {part!r} are one name on some disks"
        if _folded(path) in files:
            return f"{path!r} is there twice"
        files.add(_folded(path))
    for path in spelled:
        if "/" in path and path.rpartition("/")[0] in files:
            return f"{spelled[path.rpartition('/')[0]]!r} is both a file and a folder"
    return ""


def _folded(path: str) -> str:
    """What is equal for paths that a disk which ignores case, or composes letters, takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _sides(text: str, file: str) -> Iterator[Lock]:
    """What each side of a merge conflict says; of a side that is no lock, nothing."""
    ours, theirs = [], []
    for part, line in _parts(text):
        if part in ("", "<"):
            ours.append(line)
        if part in ("", "="):  # what stands behind `|||||||` is of before both
            theirs.append(line)
    for side in (ours, theirs):
        with contextlib.suppress(UserError):
            yield parse("".join(side), file)


def _mixed(text: str) -> frozenset[str]:
    """The sources of which a merge settled some lines and left others.

    Of the settled ones that say what was found, nobody knows whose they are.
    """
    names = {"<": "", "=": ""}
    settled, left = set(), set()
    for part, line in _parts(text):
        sides = [part] if part in names else list(names) if not part else []
        if named := re.match(r'name = "(.*)"\s*$', line):
            names |= dict.fromkeys(sides, named[1])
        if part in names:
            left.add(names[part])
        elif re.match(r"  \{|version =|commit =|resolved =", line):
            settled |= {names[side] for side in sides}
    return frozenset(settled & left)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Each line of a merge conflict, with the sign of the marker that it stands behind, if any."""
    part = ""
    for line in text.splitlines(keepends=True):
        if _MERGE_MARKER.match(line):
            part = line[0] if line[0] != ">" else ""
        else:
            yield part, line


def _block(source: LockedSource) -> str:
    lines = ["[[source]]", f"name = {_quoted(source.name)}", f"kind = {_quoted(source.kind)}"]
    lines.append(f"request = {_quoted(source.request)}")
    facts = {"resolved": source.resolved or None, "trust": source.trust or None}
    facts |= {"version": source.version, "commit": source.commit, "licence": source.licence or None}
    lines += [f"{key} = {_quoted(value)}" for key, value in facts.items() if value is not None]
    for column, names in sorted(source.labels.items()):
        lines.append(f"labels.{_quoted(column)} = [{', '.join(map(_quoted, names))}]")
    lines += [f"{_key(key)} = {value}" for key, value in source.extra]
    lines.append("files = [")
    for file in sorted(source.files, key=lambda f: f.path):
        more = "".join(f", {_key(key)} = {value}" for key, value in file.extra)
        lines.append(f'  {{ path = {_quoted(file.path)}, size = {file.size}, sha256 = "{file.sha256}"{more} }},')
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
    sources = tuple(_source(item) for item in _tables(document.get("source", []), "`source`"))
    if len({source.name for source in sources}) < len(sources):
        raise ValueError("two sources have the same name")
    return Lock(
        version=version,
        sources=tuple(sorted(sources, key=lambda s: (s.kind, s.name))),
        extra=_extra(document, ("lock-version", "source")),
    )


def _source(data: Mapping[str, Any]) -> LockedSource:
    name = _text(data, "name", "a source")
    where = f"source `{name}`"
    if not _NAME.fullmatch(name):
        raise ValueError(f"a source is called {name[:200]!r}")
    known = ("name", "kind", "request", "resolved", "trust", "version", "commit", "licence", "labels", "files")
    files = tuple(_file(item, where) for item in _tables(data.get("files"), f"`files` of {where}"))
    kind = _text(data, "kind", where)
    if kind.endswith("-recipe") and len(files) != 1:
        raise ValueError(f"{where} is a recipe of {len(files)} files")
    if not files and name != _MAY_BE_EMPTY and kind.endswith(("-model", "-data")):
        raise ValueError(f"{where} has no files")
    if len({file.path for file in files}) < len(files):
        raise ValueError(f"{where} names a file twice")
    if fault := names_fault(file.path for file in files):
        raise ValueError(f"{where}: {fault}")
    return LockedSource(
        name=name,
        kind=kind,
        request=_text(data, "request", where),
        resolved=_text(data, "resolved", where) if "resolved" in data else "",
        trust=_text(data, "trust", where) if "trust" in data else "",
        version=_text(data, "version", where) if "version" in data else None,
        commit=_text(data, "commit", where) if "commit" in data else None,
        licence=_text(data, "licence", where) if "licence" in data else "",
        labels=_labels(data.get("labels", {}), where),
        files=tuple(sorted(files, key=lambda f: f.path)),
        extra=_extra(data, known),
    )


def _file(data: Mapping[str, Any], where: str) -> LockedFile:
    path, size, sha256 = _text(data, "path", where), data.get("size"), _text(data, "sha256", where)
    if fault := path_fault(path):
        raise ValueError(f"{where} has the path {path!r}: {fault}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"{where} has no size for `{path}`")
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{where} has no sha256 for `{path}`")
    return LockedFile(path=path, size=size, sha256=sha256, extra=_extra(data, ("path", "size", "sha256")))


def _labels(value: Any, where: str) -> dict[str, tuple[str, ...]]:
    names = list(value.values()) if isinstance(value, dict) else [None]
    if not all(isinstance(of, list) and all(isinstance(name, str) for name in of) for of in names):
        raise ValueError(f"{where} has `labels` that are not lists of names")
    return {str(column): tuple(of) for column, of in value.items()}


def _tables(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{what} is not a list of tables")
    return value


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where} has no `{key}`")
    return value


def _extra(data: Mapping[str, Any], known: tuple[str, ...]) -> Extra:
    return tuple(sorted((key, _toml(value)) for key, value in data.items() if key not in known))


def _toml(value: Any) -> str:
    """Any value of TOML, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case date() | time():
            return value.isoformat()
        case _:  # a number; infinities and NaN are spelled as Python does
            return repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)
