"""What pydantic found, said for the person who wrote the file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from sparsebuild.manifest.checks import Fault
from sparsebuild.manifest.locate import KeyPath, key_text
from sparsebuild.manifest.model import Manifest
from sparsebuild.registry import did_you_mean

__all__ = ["faults_of", "keys_of"]

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "value_error": 'a bound such as ">= 0.40"',
}

_TEACHER = 'a table or "disable"'

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}

# What people who come from elsewhere write, too far from our word for a spelling check.
_OTHER_WORDS = {
    "epochs": "num_train_epochs",
    "num_epochs": "num_train_epochs",
    "lr": "learning_rate",
    "init_lr": "learning_rate",
    "batch_size": "per_device_train_batch_size",
    "max_seq_length": "max_length",
    "dev": "validation",
    "val": "validation",
    "eval": "validation",
}

# What has another form here.
_INSTEAD = {"matrix": "write a `[variant.NAME]` for each"}

# What a table needs at least, where no single key says it.
_NEEDS = {"data": "`train` and `validation`, or `source`"}


def faults_of(errors: Iterable[Mapping[str, Any]], document: Mapping[str, Any]) -> Iterator[Fault]:
    """Pydantic's errors (`ValidationError.errors()`) about `document`, one fault for each key path."""
    groups: dict[KeyPath, list[Mapping[str, Any]]] = {}
    for error in errors:
        groups.setdefault(_path_in(document, error), []).append(error)
    for path, group in groups.items():
        # A list of paths with a wrong item is also "not text"; the item is the better place.
        if not any(len(other) > len(path) and other[: len(path)] == path for other in groups):
            yield _fault(path, group)


def keys_of(kind: Any) -> dict[str, Field[Any]]:
    """The keys of a table as they are written, with their dataclass fields."""
    return {f.metadata.get("alias", f.name): f for f in fields(kind)}


def _path_in(document: Any, error: Mapping[str, Any]) -> KeyPath:
    """Where an error is in the file: pydantic's path has steps of its own ("tuple[str, ...]") for unions."""
    *steps, last = error["loc"]
    path: KeyPath = ()
    for step in steps if error["type"] in ("missing", "unexpected_keyword_argument") else error["loc"]:
        inner = _step_into(document, step)
        if inner is not None:
            path, document = (*path, step), inner
    return (*path, last) if error["type"] in ("missing", "unexpected_keyword_argument") else path


def _step_into(document: Any, step: str | int) -> Any:
    if isinstance(document, dict):
        return document.get(step)
    if isinstance(document, list) and isinstance(step, int):
        return document[step]
    return None


def _fault(path: KeyPath, group: list[Mapping[str, Any]]) -> Fault:
    first = group[0]
    if first["type"] == "missing":
        return _missing(path)
    if first["type"] == "unexpected_keyword_argument":
        return _unknown(path)
    if first["type"] == "string_too_short":
        return Fault(path=path, message=f"`{key_text(path)}` must not be empty")
    expected = " or ".join(dict.fromkeys(_expected(path, error) for error in group))
    return Fault(
        path=path,
        message=f"`{key_text(path)}` must be {expected}, found {_shown(first['input'])}",
        hint=_value_hint(group, first["input"]),
    )


def _expected(path: KeyPath, error: Mapping[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"{words} {_number(context[name])}"
    if kind == "literal_error":
        return ("" if " or " not in context["expected"] else "one of ") + str(context["expected"]).replace("'", '"')
    if path == ("teacher",):
        return _TEACHER
    if path[-2:-1] == ("gate",) and kind == "string_type":
        kind = "value_error"
    return _EXPECTED.get(kind, str(error["msg"]))


def _value_hint(group: list[Mapping[str, Any]], found: Any) -> str:
    kinds = {error["type"] for error in group}
    if isinstance(found, str) and kinds & {"int_type", "float_type", "bool_type"} and _is_bare(found):
        return f"write it without quotes: {found.strip()}"
    choices = [
        part
        for error in group
        if error["type"] == "literal_error"
        for part in error["ctx"]["expected"].split("'")[1::2]
    ]
    return did_you_mean(found, choices) if isinstance(found, str) else ""


def _is_bare(text: str) -> bool:
    """Whether the text would be a number or a truth, were it not quoted."""
    try:
        float(text)
    except ValueError:
        return text.strip() in ("true", "false")
    return True


def _missing(path: KeyPath) -> Fault:
    table, key = path[:-1], str(path[-1])
    if not table:
        words = " and ".join(f"`{name}`" for name, f in keys_of(_table(path)).items() if _is_required(f))
        return Fault(path=path, message=f"`[{key}]` is missing", hint=f"add `[{key}]` with {words or _NEEDS[key]}")
    about = keys_of(_table(table))[key].metadata["description"]
    hint = f"add it under `[{key_text(table)}]`: {about[0].lower()}{about[1:].rstrip('.')}"
    return Fault(path=path, message=f"`{key_text(path)}` is missing", hint=hint)


def _is_required(key: Field[Any]) -> bool:
    return key.default is MISSING and key.default_factory is MISSING


def _unknown(path: KeyPath) -> Fault:
    table, key = path[:-1], str(path[-1])
    known = keys_of(_table(table))
    other = _OTHER_WORDS.get(key.lower())
    near = f"did you mean `{other}`?" if other in known else did_you_mean(key, known)
    if not table:
        near = _INSTEAD.get(key) or near or _in_a_table(key)
    elif key == "teacher" and table[0] != "variant":  # the one that may be a text instead of a table
        near = "`teacher` belongs above the first table of the file, or is a table of its own, `[teacher]`"
    where = f"`[{key_text(table)}]` has" if table else "there are"
    return Fault(
        path=path,
        message=f"unknown key `{key_text(path)}`",
        hint=near or f"{where}: {', '.join(known)}",
        at="key",
    )


def _in_a_table(key: str) -> str:
    """`did you mean `train.seed`?` for a key that stands in a table, and was written at the top."""
    hints = get_type_hints(Manifest)
    for name in keys_of(Manifest):
        for word in (key, _OTHER_WORDS.get(key.lower())):
            if word in keys_of(_dataclass(hints[name])):
                return f"did you mean `{name}.{word}`?"
    return ""


def _table(path: KeyPath) -> Any:
    """The dataclass of the table at `path`."""
    kind: Any = Manifest
    hint: Any = None
    for step in path:
        if get_origin(hint) is not dict:  # of such a table the keys are names, and this was one
            hint = get_type_hints(kind)[keys_of(kind)[str(step)].name]
            kind = _dataclass(hint)
        else:
            hint = None
    return kind


def _dataclass(hint: Any) -> Any:
    """The dataclass of `Teacher | None`."""
    return next(kind for kind in (hint, *get_args(hint)) if is_dataclass(kind))


def _shown(value: Any) -> str:
    """A value as TOML would write it, cut to a readable length."""
    if isinstance(value, dict):
        return "a table"
    text = repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(value)
