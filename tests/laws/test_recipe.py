"""Laws of recipes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild import recipe
from sparsebuild.digest import canonical_json
from sparsebuild.errors import RecipeError
from sparsebuild.recipe.document import plain
from sparsebuild.recipe.expression import ExpressionError, evaluate

NAMES = st.text("abcdefgh_", min_size=1, max_size=6).filter(lambda n: n not in ("a__metadata__",))
NUMBERS = st.integers(-1000, 1000) | st.floats(-1e6, 1e6, allow_nan=False)
WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "Zs", "P"]), max_size=12)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS.filter(lambda w: "eval(" not in w)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(
    st.tuples(st.sampled_from(["Probe", "Other"]), st.dictionaries(NAMES, VALUES, max_size=4)), max_size=4
)


def written(entries: list[tuple[str, dict[str, Any]]]) -> str:
    items = [f"  - !{tag} {json.dumps(fields)}\n" for tag, fields in entries]
    return "modifiers:\n" + "".join(items)


@given(ENTRIES)
def test_what_was_read_survives_json(entries) -> None:
    resolved = recipe.resolve(recipe.read(written(entries), "r.yaml"))
    data = json.loads(canonical_json(resolved.to_json()))
    assert recipe.Resolved.from_json(data).to_json() == resolved.to_json() == data
    found = [(tag, fields) for tag, several in data["modifiers"].items() for fields in several]
    assert sorted(map(canonical_json, found)) == sorted(map(canonical_json, entries))


@given(ENTRIES.flatmap(lambda e: st.tuples(st.just(e), st.permutations(e))))
def test_the_order_of_modifiers_means_nothing(orders) -> None:
    first, second = (recipe.resolve(recipe.read(written(e), "r.yaml")).to_json() for e in orders)
    assert canonical_json(first) == canonical_json(second)


@given(
    st.permutations(
        ["a: 3\n", "b: eval(a * 2)\n", "c: eval(b - a)\n", "d: [eval(c), eval(d2)]\n", "d2: eval(c ** 2)\n"]
    )
)
def test_the_order_of_variables_means_nothing(lines) -> None:
    text = "".join(lines) + "modifiers:\n  - !Probe {v: eval(d)}\n"
    assert plain(recipe.resolve(recipe.read(text, "r.yaml")).entries[0].fields) == {"v": [3, 9]}


@given(
    st.permutations(
        [
            "a: 2\n",
            "b: eval(a + 1)\n",
            "one_stage:\n  a: 5\n  one_modifiers:\n    - !Probe {a: eval(a), b: eval(b)}\n",
            "two_stage:\n  c: eval(b * a)\n  two_modifiers:\n    Probe: {c: eval(c), text: eval(a) and eval(b)}\n",
            "modifiers:\n  - !Probe {a: eval(a)}\n",
        ]
    )
)
def test_the_order_of_stages_means_nothing_and_each_sees_its_own_first(parts) -> None:
    (found,) = recipe.resolve(recipe.read("".join(parts), "r.yaml")).to_json()["modifiers"].values()
    assert found == [{"a": 2}, {"a": 5, "b": 3}, {"c": 6, "text": "2 and 3"}]


@given(NUMBERS)
def test_a_number_given_is_the_number_used(value) -> None:
    document = recipe.read("a: 1\nmodifiers:\n  - !Probe {v: eval(a)}\n", "r.yaml")
    found = plain(recipe.resolve(document, {"a": value}).entries[0].fields)["v"]
    assert found == value
    assert type(found) is type(value)


@given(VALUES)
def test_yaml_in_any_style_says_the_same(value) -> None:
    for style in (True, False, None):
        text = yaml.safe_dump({"v": value, "modifiers": []}, default_flow_style=style, allow_unicode=True)
        found = recipe.resolve(recipe.read(text, "r.yaml")).variables["v"]
        assert recipe.document.plain(found) == value


@given(st.text(max_size=60) | st.text("!&*[]{}:,-?|>'\"\n #%@`abc<1", max_size=40))
def test_any_text_is_read_or_refused_in_our_own_words(text) -> None:
    try:
        recipe.resolve(recipe.read(text, "r.yaml"))
        return
    except RecipeError as error:
        refused = error
    assert refused.problems[0].position is not None
    assert str(refused).startswith("error: ")


@given(st.text("x1290.()+-*/% ,minaxroudbflt_'\"[]{}=<>!:e", max_size=40))
def test_any_expression_is_a_finite_number_or_refused(text) -> None:
    try:
        result = evaluate(f"eval({text})", {"x": 2})
    except ExpressionError:
        return
    assert isinstance(result, int | float)
    assert abs(result) <= 1e30


@given(
    st.recursive(
        st.integers(0, 50).map(str),
        lambda e: st.tuples(e, st.sampled_from("+-*"), e).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        max_leaves=10,
    )
)
def test_arithmetic_agrees_with_pythons(text) -> None:
    wanted = eval(text)
    if abs(wanted) > 1e30:
        with pytest.raises(ExpressionError):
            evaluate(f"eval({text})", {})
    else:
        assert evaluate(f"eval({text})", {}) == wanted
