"""A manifest as JSON data and back, without pydantic: what a run with nothing to do reads instead of the TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from sparsebuild.manifest.model import (
    Bench,
    Data,
    Export,
    Gate,
    Limit,
    Manifest,
    Model,
    Project,
    Recipe,
    Sensitivity,
    Sources,
    Teacher,
    TeacherTrain,
    Train,
    Variant,
)

__all__ = ["defaults", "from_json", "settings", "to_json"]

_TABLES: dict[type, dict[str, Any]] = {
    Manifest: {
        "project": Project,
        "model": Model,
        "teacher": Teacher,
        "data": Data,
        "recipe": Recipe,
        "train": Train,
        "export": Export,
        "gate": Gate,
        "bench": Bench,
        "sensitivity": Sensitivity,
        "sources": Sources,
    },
    Teacher: {"train": TeacherTrain},
    Variant: {"recipe": Recipe, "train": Train, "export": Export, "gate": Gate},
    Gate: dict.fromkeys((f.name for f in fields(Gate)), Limit),
}


def to_json(manifest: Manifest) -> dict[str, Any]:
    """The manifest as JSON data, with all keys."""
    data: dict[str, Any] = _plain(manifest)
    return data


def from_json(data: Mapping[str, Any]) -> Manifest:
    """The manifest that `to_json` was given. It is not checked again: only give it what `to_json` made."""
    variants = {name: _value(Variant, tables) for name, tables in data.get("variant", {}).items()}
    manifest: Manifest = _value(Manifest, {**data, "variant": variants})
    return manifest


def settings(table: Any) -> dict[str, Any]:
    """A table's values that are not its defaults, as JSON data: a new key with a default is then no change."""
    return {f.name: _plain(getattr(table, f.name)) for f in fields(table) if not _is_default(table, f)}


def defaults(kind: type) -> dict[str, Any]:
    """What the keys of a table are when they are left out, as JSON data; keys that then are nothing are not in it."""
    found = {f.name: f.default for f in fields(kind) if f.default is not MISSING and f.default is not None}
    return {name: _plain(value) for name, value in found.items()}


def _is_default(table: Any, field: Any) -> bool:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return bool(getattr(table, field.name) == default)


def _plain(value: Any) -> Any:
    if isinstance(value, Limit):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if type(value) in _ALL_TABLES:
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value


def _value(kind: Any, data: Any) -> Any:
    if data is None:
        return None
    if kind is Limit:
        return Limit.parse(data)
    inner = _TABLES.get(kind, {})
    return kind(**{key: _value(inner[key], v) if key in inner else _frozen(kind, v) for key, v in data.items()})


def _frozen(kind: Any, value: Any) -> Any:
    """Lists are tuples in the values, but for what a recipe is given."""
    return tuple(value) if isinstance(value, list) and kind is not Recipe else value


_ALL_TABLES = {
    Manifest, Project, Model, Teacher, TeacherTrain, Data, Recipe, Train, Export, Gate, Bench, Sensitivity, Sources,
    Variant,
}  # fmt: skip
