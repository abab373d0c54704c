"""Reading `sparse.toml`: the one place where what a user typed becomes values; all its faults are told at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from sparsebuild.errors import ManifestError, Position, Problem
from sparsebuild.manifest.checks import Fault, check
from sparsebuild.manifest.frame import frame_between
from sparsebuild.manifest.locate import place_of, places, position_at
from sparsebuild.manifest.model import Manifest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["parse", "read", "read_text"]


def read(path: Path) -> Manifest:
    """The manifest in a file; raises ManifestError with every problem that it has."""
    return parse(read_text(path), file=_shown(path))


def read_text(path: Path) -> str:
    """The text of a manifest: UTF-8, a byte order mark allowed; raises ManifestError."""
    file = _shown(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ManifestError(f"there is no `{file}`", hint="`sparsebuild init` writes a first one") from None
    except IsADirectoryError:
        raise ManifestError(f"`{file}` is a folder, not a file", hint="name the file itself") from None
    except OSError as error:
        raise ManifestError(f"`{file}` cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            Problem(
                message=f"`{file}` must be UTF-8, found the byte 0x{data[error.start]:02x}",
                position=Position(file=file, line=line),
                hint="save it as UTF-8 in your editor",
            )
        ) from None


def parse(text: str, file: str = "sparse.toml") -> Manifest:
    """The manifest in a text; `file` is its name in error messages."""
    if not text.strip():
        raise ManifestError(f"`{file}` is empty", hint="`sparsebuild init` writes a first one")
    document = _toml(text, file)
    manifest, faults = _validated(_with_teacher_as_table(document), document)
    faults += check(document)
    if manifest is None or faults:
        raise ManifestError(*_problems(faults, text, file))
    return manifest


def _toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        # tomli reads line ends as \n; so must we, for its position to be ours.
        offset = min(error.pos, len(text.replace("\r\n", "\n")))
        problem = Problem(
            message=f"`{file}` is not TOML: {error.msg[:1].lower()}{error.msg[1:]}",
            position=Position(file=file, line=error.lineno, column=error.colno),
            frame=frame_between(text.replace("\r\n", "\n"), offset, offset + 1),
        )
        raise ManifestError(problem) from None
    except RecursionError:
        raise ManifestError(f"`{file}` is nested too deeply") from None


def _with_teacher_as_table(document: Mapping[str, Any]) -> dict[str, Any]:
    """`teacher = "disable"` is short for a `[teacher]` with that source."""
    if document.get("teacher") != "disable":
        return dict(document)
    return {**document, "teacher": {"source": "disable"}}


def _validated(wanted: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[Manifest | None, list[Fault]]:
    """The values, or what is wrong with their types.

    It goes through JSON because only there can pydantic be strict about numbers and still take a list for a tuple.
    """
    from pydantic import ValidationError

    from sparsebuild.manifest.wording import faults_of

    try:
        return _adapter().validate_json(json.dumps(wanted, default=str)), []
    except ValidationError as error:
        return None, list(faults_of(error.errors(include_url=False), document))


@cache
def _adapter() -> TypeAdapter[Manifest]:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)


def _problems(faults: Iterable[Fault], text: str, file: str) -> list[Problem]:
    """The faults with their places, in the order of the file; one for each key."""
    known = places(text)
    found: dict[tuple[object, ...], tuple[int, Problem]] = {}
    for fault in faults:
        place = place_of(known, fault.path)
        if place is None:
            problem = Problem(message=f"{fault.message} in {file}", hint=fault.hint)
            found.setdefault(fault.path, (len(text), problem))
            continue
        start, end = (place.key, place.key_end) if fault.at == "key" else (place.value, place.value_end)
        problem = Problem(
            message=fault.message,
            position=position_at(text, start, file),
            frame=frame_between(text, start, end),
            hint=fault.hint,
        )
        found.setdefault(fault.path, (start, problem))
    return [problem for _, problem in sorted(found.values(), key=lambda pair: pair[0])]


def _shown(path: Path) -> str:
    """A path as a person would type it here."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return str(path)
