"""The JSON Schema of `sparse.toml`, from the same dataclasses that read it, for editors to complete and check."""

from __future__ import annotations

from typing import Any

from sparsebuild.manifest.layers import MOST_VARIANTS
from sparsebuild.manifest.model import Manifest

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """The schema as JSON data: one document without references, which Taplo and Tombi read best."""
    from pydantic import TypeAdapter

    generated = TypeAdapter(Manifest).json_schema(by_alias=True)
    definitions = generated.pop("$defs", {})
    document: dict[str, Any] = _plain(generated, definitions)
    teacher = document["properties"]["teacher"]
    document["properties"]["teacher"] = {
        "description": teacher["description"],
        "anyOf": [{"const": "disable", "type": "string"}, teacher],
    }
    variants = document["properties"]["variant"]
    document["properties"]["variant"] = {**_optional(variants), "maxProperties": MOST_VARIANTS}
    document["properties"]["profile"] = {
        "description": "Other values, laid over those of the file with `--profile NAME`.",
        "type": "object",
        "additionalProperties": _optional(document),
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "sparse.toml", **document}


def _optional(node: Any) -> Any:
    """`node` with every key left to choice: a profile says only what differs."""
    if isinstance(node, list):
        return [_optional(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: _optional(value) for key, value in node.items() if not (key == "required" and isinstance(value, list))}


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    """`node` with its references written out, and without what only Python means: titles and null."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        inner = definitions[node["$ref"].rpartition("/")[2]]
        return _plain({**inner, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    node = _without_null(node)
    if "$ref" in node:
        return _plain(node, definitions)
    return {
        key: {name: _plain(inner, definitions) for name, inner in value.items()}
        if key == "properties"
        else (value if key == "default" else _plain(value, definitions))
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: a key that may be None is a key that may be left out."""
    kinds = [kind for kind in node.get("anyOf", ()) if kind != {"type": "null"}]
    rest = {k: v for k, v in node.items() if k != "anyOf" and not (k == "default" and v is None)}
    if not kinds:
        return rest
    return {**kinds[0], **rest} if len(kinds) == 1 else {**rest, "anyOf": kinds}
