"""What types cannot say: targets that make no model, figures that make no sense, keys that need other keys.

The checks look at the parsed TOML rather than at a `Manifest`, so that a file with a wrong type in one place is still
checked everywhere else and a person sees all of its faults at once. What has a wrong type is skipped here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, time
from typing import Any, Literal

from sparsebuild.concealed import masked
from sparsebuild.manifest.layers import MOST_VARIANTS
from sparsebuild.manifest.locate import KeyPath, key_text
from sparsebuild.manifest.model import Bench, Data, Limit
from sparsebuild.manifest.sources import split_source
from sparsebuild.registry import did_you_mean

__all__ = ["Fault", "check"]

# Where a target can stand as a source.
_REFERENCES: tuple[KeyPath, ...] = (("teacher", "source"), ("model", "source"))

_PLAIN_SOURCES: tuple[KeyPath, ...] = (
    ("teacher", "train", "from"),
    ("data", "source"),
    ("data", "train"),
    ("data", "validation"),
    ("data", "test"),
    ("data", "unlabelled"),
    ("recipe", "source"),
)

_SHARES = ("f1", "f1_drop_from_teacher", "sparsity", "agreement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong at a key path, before anyone knows where that is in the file."""

    path: KeyPath
    message: str
    hint: str = ""
    at: Literal["key", "value"] = "value"


def check(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Every fault that the types of `manifest.model` do not see."""
    yield from _values_outside_json(document, ())
    yield from _sources(document)
    yield from _teacher(document)
    yield from _targets(document)
    yield from _data(document)
    yield from _train(document)
    yield from _gate(document)
    yield from _bench(document)
    yield from _sensitivity(document)
    yield from _replacements(document)
    yield from _variants(document)


def _values_outside_json(value: Any, path: KeyPath) -> Iterator[Fault]:
    """Dates, which no key takes, numbers beyond those of TOML, and those that are none in the recipe's arguments."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values_outside_json(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _values_outside_json(inner, (*path, number))
    elif isinstance(value, date | time):
        yield Fault(path=path, message=f"`{key_text(path)}` must not be a date or a time, found {value}")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield Fault(path=path, message=f"`{key_text(path)}` must be a number of at most 64 bits")
    elif isinstance(value, float) and not math.isfinite(value) and path[:2] == ("recipe", "args"):
        yield Fault(path=path, message=f"`{key_text(path)}` must be a finite number, found {value}")


def _sources(document: Mapping[str, Any]) -> Iterator[Fault]:
    """What a source may be made of, and where a target may not stand."""
    for path in (*_REFERENCES, *_PLAIN_SOURCES):
        value = _get(document, path)
        several = value if isinstance(value, list) else [value]
        for number, source in enumerate(several):
            if isinstance(source, str):
                yield from _source(source, (*path, number) if isinstance(value, list) else path)
        if value == []:
            yield Fault(path=path, message=f"`{key_text(path)}` must not be an empty list", hint="leave the key out")


def _source(source: str, path: KeyPath) -> Iterator[Fault]:
    scheme, rest = split_source(source)
    if any(ord(c) < 32 or ord(c) == 127 for c in source):
        yield Fault(path=path, message=f"`{key_text(path)}` must not hold line breaks or control characters")
    elif masked(source) != source:
        yield Fault(
            path=path,
            message=f"`{key_text(path)}` holds what looks like a name, a password or a token",
            hint='a token belongs into the environment: SPARSEBUILD_HTTPS_TOKENS="HOST=TOKEN"',
        )
    elif source and not rest.strip():
        yield Fault(path=path, message=f'`{key_text(path)}` must not be empty, found "{source}"')
    elif rest != rest.strip():
        yield Fault(path=path, message=f'`{key_text(path)}` must not begin or end with blanks, found "{source}"')
    elif isinstance(path[-1], int) and scheme != "file":
        message = f'a list in `{key_text(path[:-1])}` can only hold files, found "{source}"'
        yield Fault(path=path, message=message)
    elif scheme == "target" and path not in _REFERENCES:
        yield Fault(
            path=path,
            message=f'`{key_text(path)}` cannot be a target, found "{source}"',
            hint="only `model.source` and `teacher.source` can be targets",
        )


def _teacher(document: Mapping[str, Any]) -> Iterator[Fault]:
    """A teacher to train says how, and only such a one does."""
    source, train = _get(document, ("teacher", "source")), _get(document, ("teacher", "train"))
    if source == "target:teacher" and train is None:
        yield Fault(
            path=("teacher", "source"),
            message='`teacher.source` is "target:teacher", but there is no `[teacher.train]`',
            hint="add `[teacher.train]` with `from`, the model to fine-tune",
        )
    elif train is not None and _is_ready_model(source):
        yield Fault(
            path=("teacher", "train"),
            message="`[teacher.train]` is only for a teacher that this project trains",
            hint='write `source = "target:teacher"` under `[teacher]`, or leave `[teacher.train]` out',
            at="key",
        )


def _is_ready_model(source: Any) -> bool:
    return isinstance(source, str) and source not in ("disable", "self") and split_source(source)[0] != "target"


def _targets(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Of the targets the teacher alone makes a model that another can begin with."""
    for path in _REFERENCES:
        source = _get(document, path)
        scheme, target = split_source(source) if isinstance(source, str) else ("", "")
        if scheme != "target":
            continue
        if target != "teacher":
            message = f"target `{target}` does not make a model that `{key_text(path)}` could be"
            yield Fault(path=path, message=message, hint="a source can be `target:teacher`")
        elif path == ("model", "source") and not _trains_teacher(document):
            yield Fault(
                path=path,
                message="there is no target `teacher` for `model.source`",
                hint='add `[teacher]` with `source = "target:teacher"`, and `[teacher.train]` with `from`',
            )


def _data(document: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _rows(document)
    labels = _get(document, ("data", "labels"))
    if isinstance(labels, list):
        if len(labels) < 2:
            yield Fault(path=("data", "labels"), message="`data.labels` must name at least 2 tags")
        seen: set[str] = set()
        for number, label in enumerate(map(repr, labels)):
            if label in seen:
                message = f"`data.labels` names {label} twice".replace("'", '"')
                yield Fault(path=("data", "labels", number), message=message)
            seen.add(label)
    columns = [_get(document, ("data", key)) or usual for key, usual in _COLUMNS.items()]
    if columns[0] == columns[1]:
        key = next(key for key in _COLUMNS if _get(document, ("data", key)) is not None)
        message = f"`data.text_column` and `data.label_column` are both `{columns[0]}`"
        yield Fault(path=("data", key), message=message, hint="words and tags lie in columns of their own")
    # A teacher that is disabled was wanted before and may be again; then the rows are merely not used.
    if _get(document, ("data", "unlabelled")) is not None and "teacher" not in document:
        yield Fault(
            path=("data", "unlabelled"),
            message="`data.unlabelled` needs a teacher: rows without labels teach its answers",
            hint="add `[teacher]`, or leave `data.unlabelled` out",
            at="key",
        )


def _rows(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Rows to train on and to judge by come from a dataset, or from keys of their own."""
    data, source = document.get("data"), _get(document, ("data", "source"))
    if isinstance(source, str) and source.strip() and split_source(source)[0] != "hf":
        yield Fault(
            path=("data", "source"),
            message=f'`data.source` must be a dataset of the Hub, found "{source}"',
            hint='write `source = "hf:ORG/NAME"`, or name files with `train` and `validation`',
        )
    elif isinstance(source, str) and (part := _part_of_dataset(source)):
        yield Fault(
            path=("data", "source"),
            message=f"`data.source` must be a whole dataset, whose splits are taken from it, found `{part}`",
            hint=f'write it under `data.train`: `train = "{source}"`, and what to judge by under `data.validation`',
        )
    fraction = _get(document, ("data", "validation_fraction"))
    if fraction is not None and _get(document, ("data", "validation")) is not None:
        yield Fault(
            path=("data", "validation_fraction"),
            message="`data.validation_fraction` is for data without validation rows, but there is `data.validation`",
            hint="leave one of the two out",
            at="key",
        )
    elif fraction is None and _get(document, ("data", "validation_seed")) is not None:
        message = "`data.validation_seed` means nothing without `data.validation_fraction`"
        yield Fault(path=("data", "validation_seed"), message=message, hint="add it, or leave this line out", at="key")
    for key, about in (("train", "the rows to train on"), ("validation", "the rows to judge by")):
        if key == "validation" and fraction is not None:
            continue
        if isinstance(data, dict) and source is None and key not in data:
            hint = f'add it under `[data]`: {about}; or take a dataset: `source = "hf:ORG/NAME"`'
            if key == "validation":
                hint = "add it under `[data]`: the rows to judge by; or set some aside: `validation_fraction = 0.1`"
            yield Fault(path=("data", key), message=f"`data.{key}` is missing", hint=hint)


def _part_of_dataset(source: str) -> str:
    """What of a dataset's address asks for one split, one file or one folder of it; empty where nothing does."""
    address, mark, inner = source.partition("#")
    split = next((said for said in address.partition("?")[2].split("&") if said.startswith("split=")), "")
    return split or (mark + inner if inner else "")


def _train(document: Mapping[str, Any]) -> Iterator[Fault]:
    """`threads` is a word or a number, which pydantic can give no range; and one precision is enough."""
    for table in (("train",), ("teacher", "train")):
        threads = _get(document, (*table, "threads"))
        if isinstance(threads, int) and not isinstance(threads, bool) and threads < 1:
            path = (*table, "threads")
            yield Fault(path=path, message=f'`{key_text(path)}` must be at least 1, or "auto", found {threads}')
        if _get(document, (*table, "bf16")) is True and _get(document, (*table, "fp16")) is True:
            path = (*table, "fp16")
            hint = "bfloat16 needs no scaling of the loss, and works on CPUs too"
            yield Fault(path=path, message=f"`{key_text(path)}` and `bf16` cannot both be true", hint=hint, at="key")


def _gate(document: Mapping[str, Any]) -> Iterator[Fault]:
    for name in _SHARES:
        limit = _limit(_get(document, ("gate", name)))
        if limit and not -1 <= limit.value <= 1:
            yield Fault(
                path=("gate", name),
                message=f"`gate.{name}` must be a share between 0 and 1, found {limit.value:g}",
                hint=f"write {limit.value / 100:g} for {limit.value:g} %",
            )
    if _get(document, ("gate", "f1_drop_from_teacher")) is not None and not _has_teacher(document):
        yield Fault(
            path=("gate", "f1_drop_from_teacher"),
            message="`gate.f1_drop_from_teacher` needs a teacher to compare with",
            hint="add `[teacher]`, or leave this line out",
            at="key",
        )


def _bench(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Shapes that can be read, runtimes that are named once, and interpreters that another machine may have too."""
    for key in ("runtimes", "shapes"):
        said = _get(document, ("bench", key))
        if said == []:
            yield Fault(path=("bench", key), message=f"`bench.{key}` must not be an empty list")
        for number, one in enumerate(said) if isinstance(said, list) else ():
            if one in said[:number]:
                yield Fault(path=("bench", key, number), message=f'`bench.{key}` names "{one}" twice')
            elif key == "shapes" and isinstance(one, str) and not _SHAPE.fullmatch(one):
                message = f'`bench.shapes` must hold sentences × pieces, such as "32x128", found "{one}"'
                yield Fault(path=("bench", key, number), message=message)
    python = _get(document, ("bench", "python"))
    for runtime, path in python.items() if isinstance(python, dict) else ():
        if runtime not in _RUNTIMES:
            yield Fault(
                path=("bench", "python", runtime),
                message=f"unknown runtime `{runtime}` in `bench.python`",
                hint=did_you_mean(runtime, _RUNTIMES) or f"there are: {', '.join(_RUNTIMES)}",
                at="key",
            )
        elif isinstance(path, str) and path.startswith(("/", "~")):
            yield Fault(
                path=("bench", "python", runtime),
                message=f'`bench.python.{runtime}` must not name a place of this machine, found "{path}"',
                hint=f"write the path from the project's folder, or set SPARSEBUILD_PYTHON_{runtime.upper()} to it",
            )


_COLUMNS = {one.name: one.default for one in fields(Data) if one.name in ("text_column", "label_column")}
_RUNTIMES = Bench().runtimes
_SHAPE = re.compile(r"[1-9][0-9]{0,3}x[1-9][0-9]{0,3}")


def _sensitivity(document: Mapping[str, Any]) -> Iterator[Fault]:
    if _get(document, ("sensitivity", "model")) == "teacher" and not _has_teacher(document):
        yield Fault(
            path=("sensitivity", "model"),
            message='`sensitivity.model` is "teacher", but there is none',
            hint='add `[teacher]`, or write "train"',
        )


def _replacements(document: Mapping[str, Any]) -> Iterator[Fault]:
    """What stands in for the zoo is not of the zoo."""
    zoo = _get(document, ("sources", "zoo"))
    for stub, source in zoo.items() if isinstance(zoo, dict) else ():
        path = ("sources", "zoo", stub)
        if split_source(stub)[0] != "zoo":
            message = f'the keys of `[sources.zoo]` are stubs that begin with `zoo:`, found "{stub}"'
            yield Fault(path=path, message=message, at="key")
        elif isinstance(source, str):
            yield from _source(source, path)
            if split_source(source)[0] == "zoo":
                message = f'`{key_text(path)}` must be a source outside the zoo, found "{source}"'
                yield Fault(path=path, message=message, hint='such as "hf:ORG/NAME" or "file:models/NAME"')


def _variants(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Names that can stand behind an `@` and be a folder, on disks too that take `A` for `a`."""
    variants = document.get("variant")
    if not isinstance(variants, dict):
        return
    if len(variants) > MOST_VARIANTS:
        yield Fault(path=("variant",), message=f"`variant` holds more than {MOST_VARIANTS} tables")
        return
    known: dict[str, str] = {}
    for name in variants:
        other = known.setdefault(name.casefold(), name)
        if not _VARIANT.fullmatch(name):
            yield Fault(
                path=("variant", name),
                message=f"a variant cannot be called `{name}`",
                hint="take letters, digits, `_` and `-`, at most 40, as in `[variant.ffn384]`",
                at="key",
            )
        elif other != name:
            message = f"the variants `{other}` and `{name}` are one name on some disks"
            yield Fault(path=("variant", name), message=message, hint="rename one of them", at="key")


_VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def _limit(value: Any) -> Limit | None:
    try:
        return Limit.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _has_teacher(document: Mapping[str, Any]) -> bool:
    return document.get("teacher") is not None and not _is_disabled(document)


def _trains_teacher(document: Mapping[str, Any]) -> bool:
    """Whether the project says how to train a teacher; one that is disabled can still be where a student starts."""
    said = document.get("teacher")
    return isinstance(said, dict) and ("train" in said or said.get("source") == "target:teacher")


def _is_disabled(document: Mapping[str, Any]) -> bool:
    return document.get("teacher") == "disable" or _get(document, ("teacher", "source")) == "disable"


def _get(document: Any, path: KeyPath) -> Any:
    """The value at `path`, or None where there is none."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return document
