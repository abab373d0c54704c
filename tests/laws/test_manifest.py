"""Order, comments and spelling do not change a manifest; JSON keeps it whole; bad ones never surprise."""

import json
from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.errors import ManifestError
from sparsebuild.manifest import Limit, from_json, parse, to_json

GOOD = Path(__file__).parents[1] / "cases" / "manifests" / "good" / "everything.toml"
TABLES = [table for table in GOOD.read_text().split("\n\n") if table.strip()]
KEYS = [f"{table}.{key}" for table, keys in tomli.loads(GOOD.read_text()).items() for key in keys]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ODD = st.sampled_from(
    ["1", "-1", "1.5", '""', '"x"', "true", "[]", "{}", "[1]", "inf", "07:30:00", '"target:train"', '">= 1"', '"auto"']
)


@settings(deadline=None, max_examples=30)
@given(st.permutations(TABLES), st.data())
def test_order_and_comments_change_nothing(tables, data):
    lines = []
    for table in tables:
        head, *pairs = table.splitlines()
        lines += [head, *data.draw(st.permutations(pairs))]
    comment = st.sampled_from(["\n", "  # said [aside]\n", "\n# x = 1\n"])
    assert parse("".join(line + data.draw(comment) for line in lines)) == parse(GOOD.read_text())


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=3), st.floats(-1, 1), st.sampled_from([">=", "<=", ">", "<"]))
def test_json_keeps_everything(args, value, comparison):
    data = to_json(parse(GOOD.read_text()))
    data["recipe"]["args"] = args
    data["gate"]["f1"] = str(Limit(comparison=comparison, value=value))
    manifest = from_json(data)
    assert to_json(from_json(json.loads(json.dumps(to_json(manifest))))) == data
    assert manifest.gate.f1 == Limit(comparison=comparison, value=value)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([*KEYS, "teacher.train.from", "teacher.train", "teacher", "z.y"]), ODD, max_size=4)
)
def test_what_is_refused_is_refused_with_places(values):
    text = "\n".join(["x = 1", *(f"{key} = {value}" for key, value in values.items())])
    with pytest.raises(ManifestError) as error:
        parse(text)
    lines = {problem.position.line for problem in error.value.problems if problem.position}
    assert lines
    assert lines <= set(range(1, len(values) + 2))
