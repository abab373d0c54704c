"""The schema says what `read` accepts."""

import json
import re
from pathlib import Path

import pytest
import tomli

from sparsebuild.errors import ManifestError
from sparsebuild.manifest import parse, schema

CASES = Path(__file__).parents[1] / "cases" / "manifests"

# What a schema cannot say: these files are wrong in what their values mean together, or are not TOML.
BEYOND_A_SCHEMA = {
    "teacher-from-a-target",
    "dataset-file",
    "dataset-split",
    "no-teacher-to-start-from",
    "profile-together",
    "not-toml",
    "not-toml-header",
    "one-column-for-both",
    "targets-that-are-no-models",
    "teacher-without-its-training",
    "training-without-its-teacher",
}


def tables(node, path=""):
    """Every table of the schema, and how it is reached."""
    if isinstance(node, dict):
        if "properties" in node:
            yield path, node
        for key, inner in node.items():
            yield from tables(inner, f"{path}/{key}")
    elif isinstance(node, list):
        for inner in node:
            yield from tables(inner, path)


def test_every_table_is_closed_and_every_key_described():
    for path, table in tables(schema()):
        assert table["additionalProperties"] is False, path
        assert all(key.get("description") for key in table["properties"].values()), path


def test_no_references_no_null_no_python():
    text = json.dumps(schema())
    for word in ("$ref", "$defs", '"null"', '"from_"', '"title": "Seed"'):
        assert word not in text


def test_defaults_and_ranges_are_those_of_the_values():
    train = schema()["properties"]["train"]["properties"]
    assert train["seed"] == {
        "default": 42,
        "description": "Of everything random: new weights, order of rows, dropout.",
        "minimum": 0,
        "maximum": 4294967295,
        "type": "integer",
    }
    assert "default" not in train["dropout"]


def test_the_teacher_is_a_table_or_disable():
    word, table = schema()["properties"]["teacher"]["anyOf"]
    assert word == {"const": "disable", "type": "string"}
    assert table["properties"]["train"]["required"] == ["from"]


def test_required_keys():
    assert schema()["required"] == ["project", "model", "data"]
    assert schema()["properties"]["model"]["required"] == ["source"]


@pytest.mark.parametrize("path", sorted(CASES.glob("*/*.toml")), ids=lambda path: path.stem)
def test_it_agrees_with_read(path):
    if path.stem in BEYOND_A_SCHEMA:
        with pytest.raises(ManifestError):
            parse(path.read_text())
        return
    document = tomli.loads(path.read_bytes().decode())
    assert fits(document, schema()) == (path.parent.name == "good")


def fits(value, node):
    """Whether a value fits a node of the schema, as far as the words go that ours uses."""
    kinds = [kind for kind in node.get("anyOf", [{}]) if kind == {} or fits(value, kind)]
    is_allowed = value in node.get("enum", [value]) and value == node.get("const", value)
    if not kinds or not is_allowed or not is_a(value, node.get("type")):
        return False
    match value:
        case dict() if isinstance(node.get("additionalProperties"), dict):
            return all(fits(inner, node["additionalProperties"]) for inner in value.values())
        case dict() if "properties" in node:
            known = {key: fits(inner, node["properties"].get(key, {"enum": []})) for key, inner in value.items()}
            return set(node.get("required", ())) <= set(value) and all(known.values())
        case list():
            return all(fits(item, node.get("items", {})) for item in value)
        case str():
            return len(value) >= node.get("minLength", 0) and bool(re.search(node.get("pattern", ""), value))
        case bool():
            return True
        case int() | float():
            low, high = node.get("minimum", value), node.get("maximum", value)
            above, below = node.get("exclusiveMinimum", value - 1), node.get("exclusiveMaximum", value + 1)
            return low <= value <= high and above < value < below
    return True


def is_a(value, kind):
    """Whether a value is what JSON Schema's `type` says."""
    if isinstance(value, bool):
        return kind in (None, "boolean")
    names = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    return kind is None or isinstance(value, names[kind])
