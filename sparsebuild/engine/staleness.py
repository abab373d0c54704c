"""Why an action has to run again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from sparsebuild.digest import canonical_json
from sparsebuild.engine import fingerprint, outputs
from sparsebuild.engine.action import JSON, Action, File
from sparsebuild.engine.record import Record

__all__ = ["OF_OUTPUTS", "Inputs", "Kind", "Present", "Reason", "reasons"]

Kind = Literal[
    "forced",
    "never-built",
    "unfinished",
    "failed",
    "step",
    "version",
    "param",
    "input",
    "source",
    "library",
    "outputs-missing",
    "output-missing",
    "output-edited",
]
OF_OUTPUTS: frozenset[Kind] = frozenset({"outputs-missing", "output-missing", "output-edited"})
Inputs: TypeAlias = Mapping[str, tuple[File, ...] | None]  # None: its action has to run first, so nobody knows yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is on the disk of an action."""

    files: Mapping[str, str] = field(default_factory=dict)  # sha256 of the recorded outputs that stand there, by path
    unfinished: bool = False  # a try has begun and did not end
    failed: str = ""  # what the last try said, if it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that changed since an action was done; `str` makes it a sentence."""

    kind: Kind
    subject: str = ""  # key path, name of an input, source or library, path of an output
    old: str | None = None  # ready to print; None where there was nothing
    new: str | None = None
    where: str = ""  # "sparse.toml:12"
    files: str = ""  # which files of an input or a source, in words

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return _SENTENCES[self.kind].format(subject=self.subject, change=self._change()) + place

    def _change(self) -> str:
        if self.old is None:
            return f"was added: {self.new}"
        if self.new is None:
            return f"is gone, was {self.old}"
        return f"changed: {self.files or f'{self.old} → {self.new}'}"


_SENTENCES: Mapping[Kind, str] = {
    "forced": "forced",
    "never-built": "never built",
    "unfinished": "the last try did not finish",
    "failed": "the last try failed: {subject}",
    "step": "the step {change}",
    "version": "step `{subject}` {change}",
    "param": "`{subject}` {change}",
    "input": "input `{subject}` {change}",
    "source": "source `{subject}` {change}",
    "library": "library {subject} {change}",
    "outputs-missing": "the outputs are missing: {subject}",
    "output-missing": "output {subject} is missing",
    "output-edited": "output {subject} was edited",
}


def reasons(
    action: Action, inputs: Inputs, record: Record | None, present: Present, *, forced: bool = False
) -> tuple[Reason, ...]:
    """Say why `action` must run, or nothing if it need not.

    Used by `build` to decide and by `explain` to tell, so that they cannot disagree. Inputs that nobody knows yet
    are no reason.
    """
    told = (Reason(kind="forced"),) if forced else ()
    if record is None:
        return (*told, _never(present))
    return (*told, *_changes(action, inputs, record), *_outputs(action, record, present))


def _never(present: Present) -> Reason:
    if present.failed:
        return Reason(kind="failed", subject="; ".join(present.failed.splitlines()))
    return Reason(kind="unfinished" if present.unfinished else "never-built")


def _changes(action: Action, inputs: Inputs, record: Record) -> Iterator[Reason]:
    known = {name: outputs.digest(files) for name, files in inputs.items() if files is not None}
    pending = inputs.keys() - known.keys()
    new = fingerprint.document(action, known)
    old = {**record.document, "inputs": {k: v for k, v in record.document["inputs"].items() if k not in pending}}
    if canonical_json(old) != canonical_json(new):
        yield from _step(old, new)
        yield from _params(old["params"], new["params"], action.origins, action.defaults)
        yield from _content("input", old["inputs"], new["inputs"], _by_path(record.inputs), _by_path(inputs))
        for reason in _content("source", old["sources"], new["sources"], old["sources"], new["sources"]):
            yield replace(reason, where=_source_place(reason.subject, old["sources"], new["sources"], action.origins))
        for (name, *_), was, now in _differences(old["libraries"], new["libraries"]):
            yield Reason(kind="library", subject=str(name), old=_text(was), new=_text(now))


def _step(old: Mapping[str, JSON], new: Mapping[str, JSON]) -> Iterator[Reason]:
    if old["step"] != new["step"]:
        yield Reason(kind="step", old=f"`{old['step']}`", new=f"`{new['step']}`")
    elif old["version"] != new["version"]:
        yield Reason(kind="version", subject=new["step"], old=f"version {old['version']}", new=str(new["version"]))


def _params(old: JSON, new: JSON, origins: Mapping[str, str], defaults: Mapping[str, JSON]) -> Iterator[Reason]:
    for path, was, now in _differences(old, new):
        # A whole table may have one origin, so the nearest one above the key counts.
        above = (_dotted(path[:length]) for length in range(len(path), 0, -1))
        where = next((origins[key] for key in above if key in origins), "")
        left_out = f"{_json(defaults[subject])} (default)" if (subject := _dotted(path)) in defaults else None
        yield Reason(kind="param", subject=subject, old=_json(was) or left_out, new=_json(now) or left_out, where=where)


def _content(
    kind: Literal["input", "source"],
    old: Mapping[str, JSON],
    new: Mapping[str, JSON],
    old_files: Mapping[str, JSON],
    new_files: Mapping[str, JSON],
) -> Iterator[Reason]:
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            files = _named(old_files.get(name), new_files.get(name))
            yield Reason(kind=kind, subject=name, old=_amount(was), new=_amount(now), files=files)


def _source_place(name: str, old: Mapping[str, JSON], new: Mapping[str, JSON], origins: Mapping[str, str]) -> str:
    """The place of the first of a source's files that changed, or else of the source."""
    files = [f"sources.{name}/{path}" for path in _changed(old.get(name), new.get(name))]
    return next((origins[key] for key in (*files, f"sources.{name}") if key in origins), "")


def _outputs(action: Action, record: Record, present: Present) -> Iterator[Reason]:
    missing = [file for file in record.outputs if file.path not in present.files]
    if missing and not present.files:
        yield Reason(kind="outputs-missing", subject=action.folder)
        return
    for file in missing:
        yield Reason(kind="output-missing", subject=file.path)
    for file in record.outputs:
        found = present.files.get(file.path, file.sha256)
        if found != file.sha256:
            yield Reason(kind="output-edited", subject=file.path, old=_short(file.sha256), new=_short(found))


_ABSENT: Any = object()
_Path: TypeAlias = tuple[str | int, ...]


def _differences(old: JSON, new: JSON, path: _Path = ()) -> Iterator[tuple[_Path, JSON, JSON]]:
    """Where two JSON values part, as deep as their shapes agree: (key path, old, new)."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif isinstance(old, _LIST) and isinstance(new, _LIST) and len(old) == len(new):
        for index, (was, now) in enumerate(zip(old, new, strict=True)):
            yield from _differences(was, now, (*path, index))
    elif old is _ABSENT or new is _ABSENT or canonical_json(old) != canonical_json(new):
        yield path, old, new


_LIST = (list, tuple)


def _dotted(path: _Path) -> str:
    """A key path as TOML writes it: `recipe.args.lr`, `a."b c"`, `layers[3]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if bare else json.dumps(part, ensure_ascii=False))
    return text


def _named(old: JSON, new: JSON) -> str:
    """Which files changed and how, the first three by name; empty where we only have digests."""
    paths = _changed(old, new)
    if not paths:
        return ""
    told = [_one(path, old.get(path), new.get(path)) for path in paths[:3]]
    return ", ".join(told + ([f"and {len(paths) - 3} more"] if len(paths) > 3 else []))


def _changed(old: JSON, new: JSON) -> list[str]:
    """The paths of the files that differ, where both sides are files."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return []
    return [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]


def _one(path: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{path} was added"
    return f"{path} is gone" if new is None else f"{path} sha256 {_short(old)} → {_short(new)}"


def _by_path(files: Inputs) -> dict[str, dict[str, str]]:
    return {name: {file.path: file.sha256 for file in some} for name, some in files.items() if some is not None}


def _amount(content: JSON) -> str | None:
    if isinstance(content, Mapping):
        return "1 file" if len(content) == 1 else f"{len(content)} files"
    return None if content is None else f"sha256 {_short(content)}"


def _json(value: JSON) -> str | None:
    if value is _ABSENT:
        return None
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _text(value: JSON) -> str | None:
    return None if value is _ABSENT else str(value)


def _short(sha256: str) -> str:
    return sha256 if sha256 == outputs.LINK else f"{sha256[:8]}…"
