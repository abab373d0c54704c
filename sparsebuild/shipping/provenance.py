"""Where a folder comes from: `provenance.json`, an in-toto statement with SLSA's predicate, and a check against it.

    subject                 every file of the folder, by sha256
    buildDefinition         the settings, the recipe worked out, the command; every file of every source by sha256,
                            and the lock; the libraries, as far as they count (major.minor)

Nothing in it tells when, where or by whom: the same build gives the same bytes.
https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparsebuild.digest import file_digest
from sparsebuild.errors import UserError
from sparsebuild.lock import path_fault
from sparsebuild.reading import is_deeper, read_small
from sparsebuild.shipping.facts import Facts, Origin

__all__ = ["FILE_NAME", "Difference", "Statement", "compare", "files_below", "read", "write"]

FILE_NAME = "provenance.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:sparsebuild:build:1"
_BUILDER = "urn:sparsebuild:local"
_LOCK = "sparse.lock"
_LARGEST = 16_000_000  # bytes
_DEEPEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a `provenance.json` says, as far as it can be checked."""

    subjects: Mapping[str, str]  # path in its folder -> sha256
    lock: str  # sha256 of the lock; empty where it does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A file that is not as the statement says."""

    path: str
    what: Literal["changed", "missing", "not in the statement"]


def write(folder: Path, facts: Facts) -> None:
    """State where the files that lie in `folder` now come from."""
    subjects = {path: file_digest(folder / path) for path in files_below(folder)}
    (folder / FILE_NAME).write_text(
        json.dumps(_statement(facts, subjects), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def read(folder: Path) -> Statement:
    """The statement of a folder; raises UserError where there is none, or none of ours."""
    path = folder / FILE_NAME
    try:
        data = json.loads(read_small(path, _LARGEST))
        if is_deeper(data, _DEEPEST):
            raise ValueError("it is nested too deeply")
        return _read(data)
    except FileNotFoundError:
        raise UserError(
            f"there is no {FILE_NAME} in {folder}", hint="`build/export` and its `hub/` have one each"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{path} is not a statement of provenance by sparsebuild") from None


def compare(folder: Path, statement: Statement) -> tuple[Difference, ...]:
    """Hash all of `folder` and hold it against the statement."""
    there = set(files_below(folder))
    found = [Difference(path=path, what="not in the statement") for path in there - set(statement.subjects)]
    for path, sha256 in statement.subjects.items():
        if path not in there:
            found.append(Difference(path=path, what="missing"))
        elif not _is_plain(folder / path) or file_digest(folder / path) != sha256:
            found.append(Difference(path=path, what="changed"))
    return tuple(sorted(found, key=lambda d: d.path))


def _is_plain(path: Path) -> bool:
    """No link, and no pipe, which would be waited for."""
    return stat.S_ISREG(path.lstat().st_mode)


def files_below(folder: Path) -> Iterator[str]:
    """The files of a folder but the statement itself, by path, in order."""
    paths = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    yield from sorted(name for p in paths if (name := p.relative_to(folder).as_posix()) != FILE_NAME)


def _statement(facts: Facts, subjects: Mapping[str, str]) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [{"name": path, "digest": {"sha256": sha256}} for path, sha256 in sorted(subjects.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD,
                "externalParameters": {"command": facts.command, "settings": facts.settings, "recipe": facts.recipe},
                "internalParameters": {"sparsebuild": facts.version, "libraries": facts.libraries},
                "resolvedDependencies": [
                    {"name": _LOCK, "digest": {"sha256": facts.lock}},
                    *(file for source in facts.sources for file in _dependencies(source)),
                ],
            },
            "runDetails": {"builder": {"id": _BUILDER}},
        },
    }


def _dependencies(source: Origin) -> Iterable[dict[str, Any]]:
    uri = source.resolved or source.request
    if source.commit:
        yield {"name": source.name, "uri": uri, "digest": {"gitCommit": source.commit}}
    for path, sha256 in source.files.items():
        yield {"name": f"{source.name}/{path}", "uri": uri, "digest": {"sha256": sha256}}


def _read(data: Any) -> Statement:
    if data["_type"] != STATEMENT or data["predicateType"] != PREDICATE:
        raise ValueError(data["_type"])
    definition = data["predicate"]["buildDefinition"]
    if definition["buildType"] != _BUILD:
        raise ValueError(definition["buildType"])
    subjects = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in data["subject"]}
    if fault := next(filter(None, map(path_fault, subjects)), ""):
        raise ValueError(fault)
    locks = [d["digest"]["sha256"] for d in definition["resolvedDependencies"] if d["name"] == _LOCK]
    return Statement(subjects=subjects, lock=str(locks[0]) if locks else "")
