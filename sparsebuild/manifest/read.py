"""Reading `sparse.toml`: the one place where what a user typed becomes values; all its faults are told at once."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from sparsebuild.errors import ManifestError, Position, Problem, UserError
from sparsebuild.manifest.checks import Fault, check
from sparsebuild.manifest.frame import frame_between, problem_at
from sparsebuild.manifest.layers import MOST_VARIANTS, Written, lay, setting, with_variants
from sparsebuild.manifest.locate import KeyPath
from sparsebuild.manifest.model import Manifest
from sparsebuild.reading import is_deeper, read_small
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["parse", "read", "read_text"]

_Problems = dict[tuple[float, float, str], Problem]  # by line, column and message

_LARGEST = 500_000  # bytes
_DEEPEST = 50  # tables and lists inside each other
_MOST_PROFILES = 200
_MOST_FAULTS = 100  # what has more is something else, and nobody reads them


def read(path: Path) -> Manifest:
    """The manifest in a file; raises ManifestError with every problem that it has."""
    return parse(read_text(path), file=_shown(path))


def read_text(path: Path) -> str:
    """The text of a manifest: UTF-8, a byte order mark allowed; raises ManifestError."""
    file = _shown(path)
    try:
        data = read_small(path, _LARGEST)
    except FileNotFoundError:
        raise ManifestError(f"there is no `{file}`", hint=_instead(path)) from None
    except IsADirectoryError:
        raise ManifestError(f"`{file}` is a folder, not a file", hint="name the file itself") from None
    except OSError as error:
        raise ManifestError(f"`{file}` cannot be read: {error.strerror}") from None
    except UserError as error:
        raise ManifestError(*error.problems) from None
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


def _instead(path: Path) -> str:
    """What to do where there is no manifest: another one may stand in a folder above."""
    for folder in path.parent.resolve().parents:
        if os.access(folder / path.name, os.R_OK):  # unlike `Path.is_file` it raises nowhere
            return f"the project is in a folder above: `-C {shlex.quote(os.path.relpath(folder))}`"
    return "`sparsebuild init` writes a first one"


def parse(text: str, file: str = "sparse.toml", *, profile: str = "", settings: Sequence[str] = ()) -> Manifest:
    """The manifest in a text, with a profile and `--set`s laid over it; `file` is its name in error messages.

    A fault in any profile is told, also in one that was not chosen: the file is wrong, whoever reads it first.
    """
    if not text.strip():
        raise ManifestError(f"`{file}` is empty", hint="`sparsebuild init` writes a first one")
    said = tuple(map(setting, settings))
    document = _toml(text, file)
    profiles = document.pop("profile", {})
    written = Written(text=text, file=file, profile=profile, settings=said)
    _check_profile(profile, profiles, written)
    laid = lay(document, profiles[profile] if profile else {}, said)
    manifest, faults = _read(laid)
    problems = _problems_of_others(document, profiles, written)
    problems |= _problems([*faults, *_profile_faults(profiles), *_new_variants(document, laid)], written)
    if manifest is None or problems:
        in_order = sorted(problems, key=lambda place: place[:2])
        raise ManifestError(*(problems[place] for place in in_order))
    return manifest


def _problems_of_others(document: Mapping[str, Any], profiles: Any, written: Written) -> _Problems:
    """What is wrong in the profiles that were not chosen."""
    problems: _Problems = {}
    for name, table in (profiles if _is_table_of_tables(profiles) and len(profiles) <= _MOST_PROFILES else {}).items():
        if name != written.profile and len(problems) < _MOST_FAULTS:
            laid = lay(document, table)
            faults = [f for f in _read(laid)[1] if _stands_in(table, document, f.path)]
            faults += _new_variants(document, laid)
            problems |= _problems(faults, replace(written, profile=name, settings=()))
    return problems


def _read(document: Mapping[str, Any]) -> tuple[Manifest | None, list[Fault]]:
    whole = with_variants(document)
    manifest, faults = _validated(_with_teacher_as_table(whole), whole)
    own = [fault for fault in faults if not _is_of_the_file(fault, document)]
    return manifest, [*own, *check(document), *_of_variants(document, whole)]


def _of_variants(document: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong in the values of a variant once they are laid over the file."""
    said, laid = (one.get("variant") for one in (document, whole))
    if not (isinstance(said, dict) and isinstance(laid, dict)):
        return
    file = {key: value for key, value in document.items() if key != "variant"}
    for name in islice(said, MOST_VARIANTS):
        for fault in check({**file, **laid[name]}) if isinstance(laid[name], dict) else ():
            if _stands_in(said[name], file, fault.path):
                path, message = ("variant", name, *fault.path), f"{fault.message}, in the variant `{name}`"
                yield replace(fault, path=path, message=message)


def _new_variants(file: Mapping[str, Any], laid: Mapping[str, Any]) -> Iterator[Fault]:
    """Variants that only a profile or a `--set` names: a slip of the pen would be a whole model more."""
    known, named = (one.get("variant", {}) for one in (file, laid))
    if isinstance(known, dict) and isinstance(named, dict):
        for name in islice((name for name in named if name not in known), MOST_VARIANTS):
            there_are = f"there are: {', '.join(known)}" if known else f"write a table `[variant.{name}]` in the file"
            hint = did_you_mean(name, known) or there_are
            yield Fault(path=("variant", name), message=f"there is no variant `{name}`", hint=hint, at="key")


def _is_of_the_file(fault: Fault, document: Mapping[str, Any]) -> bool:
    """Whether a fault of a variant is one of the file that it is laid over, which is told once."""
    if fault.path[0] != "variant" or len(fault.path) < 3:
        return False
    said = document["variant"][fault.path[1]]
    return isinstance(said, dict) and not _stands_in(said, document, fault.path[2:])


def _check_profile(name: str, profiles: Any, written: Written) -> None:
    if name and not (_is_table_of_tables(profiles) and name in profiles):
        names = list(profiles) if isinstance(profiles, dict) else []
        there_are = f"there are: {', '.join(names)}" if names else f"write a table `[profile.{name}]`"
        raise ManifestError(
            f"there is no profile `{name}` in `{written.file}`", hint=did_you_mean(name, names) or there_are
        )


def _is_table_of_tables(profiles: Any) -> bool:
    return isinstance(profiles, dict) and all(isinstance(table, dict) for table in profiles.values())


def _profile_faults(profiles: Any) -> Iterator[Fault]:
    if not isinstance(profiles, dict):
        yield Fault(path=("profile",), message="`profile` must hold tables, such as `[profile.quick]`")
        return
    if len(profiles) > _MOST_PROFILES:
        yield Fault(path=("profile",), message=f"`profile` holds more than {_MOST_PROFILES} tables")
        return
    for name, table in profiles.items():
        if not isinstance(table, dict):
            yield Fault(path=("profile", name), message=f"`profile.{name}` must be a table, found {table!r}")


def _stands_in(table: Mapping[str, Any], below: Mapping[str, Any], path: KeyPath) -> bool:
    """Whether a fault at `path` is one of a profile's `table`, rather than of the file that is `below` it."""
    if _holds(table, path):
        return True
    while path and not _holds(table, path) and not _holds(below, path):
        path = path[:-1]
    return bool(path) and not _holds(below, path)


def _holds(table: Any, path: KeyPath) -> bool:
    for step in path:
        is_item = isinstance(table, list) and isinstance(step, int) and step < len(table)
        if not (is_item or (isinstance(table, dict) and step in table)):
            return False
        table = table[step]
    return True


def _toml(text: str, file: str) -> dict[str, Any]:
    try:
        document = tomli.loads(text)
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
        document = None
    except ValueError:  # of Python: a number of more digits than it reads
        raise ManifestError(f"`{file}` holds a number that is too large") from None
    if document is None or is_deeper(document, _DEEPEST):
        raise ManifestError(f"`{file}` is nested too deeply")
    return document


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
        return None, list(faults_of(error.errors(include_url=False)[:_MOST_FAULTS], document))
    except ValueError:  # a number that cannot be written in decimals; `check` tells where it stands
        return None, []


@cache
def _adapter() -> TypeAdapter[Manifest]:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)


def _problems(faults: Iterable[Fault], written: Written) -> _Problems:
    """The faults with their places, one for each key, by their order in the file; what has no place comes last."""
    found: _Problems = {}
    told: set[KeyPath] = set()
    for fault in islice(faults, _MOST_FAULTS):
        if fault.path in told:
            continue
        told.add(fault.path)
        problem = problem_at(written, fault.path, fault.message, hint=fault.hint, at=fault.at)
        if problem.position is None and problem.message == fault.message:
            problem = replace(problem, message=f"{fault.message} in {written.file}")
        line, column = (problem.position.line, problem.position.column) if problem.position else (inf, inf)
        found.setdefault((line, column, problem.message), problem)
    return found


def _shown(path: Path) -> str:
    """A path as a person would type it here."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (ValueError, FileNotFoundError):  # it lies elsewhere, or we stand in a folder that was removed
        return str(path)
