"""Arguments and variables."""

from __future__ import annotations

from typing import Any

import pytest

from sparsebuild import recipe
from sparsebuild.errors import RecipeError
from sparsebuild.recipe.document import plain

TEXT = """\
num_epochs: 3
last: eval(num_epochs - 1)
names: [a, b]
modifiers:
  - !Probe {end: eval(num_epochs), start: eval(last), names: eval(names)}
"""


def fields(text: str, **args: Any) -> Any:
    return plain(recipe.resolve(recipe.read(text, "r.yaml"), args).entries[0].fields)


def refused(text: str, **args: Any) -> str:
    with pytest.raises(RecipeError) as caught:
        recipe.resolve(recipe.read(text, "r.yaml"), args)
    return str(caught.value)


def test_an_argument_replaces_a_variable_everywhere() -> None:
    assert fields(TEXT, num_epochs=12) == {"end": 12, "start": 11, "names": ["a", "b"]}


@pytest.mark.parametrize("value", [12, 12.0, "linear", True, None, [1, [2]], {"a": 0.5}])
def test_an_argument_keeps_its_type(value: object) -> None:
    found = fields(TEXT, names=value)["names"]
    assert found == value
    assert type(found) is type(value)


def test_an_argument_may_be_an_expression() -> None:
    assert fields(TEXT, last="eval(num_epochs / 2)")["start"] == 1.5


def test_an_unknown_argument_is_refused_with_the_names_there_are() -> None:
    assert refused(TEXT, num_epoch=1, qat=2) == (
        "error: the recipe r.yaml has no variable `num_epoch` to set\n\n"
        "hint: did you mean `num_epochs`? its variables are: num_epochs, last, names\n\n"
        "error: the recipe r.yaml has no variable `qat` to set\n\n"
        "hint: its variables are: num_epochs, last, names"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}])
def test_an_argument_must_be_json(value: object) -> None:
    assert (
        refused(TEXT, last=value)
        == "error: the recipe argument `last` is not a finite number, a string, a list or a table"
    )


def test_a_bad_expression_in_an_argument_is_named_as_one() -> None:
    told = refused(TEXT, last="eval(x)")
    assert told.startswith(
        "error: the recipe argument `last`: `eval(x)` cannot be computed: there is no variable `x`\n  --> r.yaml:2:7\n"
    )


def test_an_alias_follows_an_argument() -> None:
    text = "epochs: &e 3\nmodifiers:\n  - !Probe {end: *e, all: [*e, eval(epochs)]}\n"
    assert fields(text, epochs=5) == {"end": 5, "all": [5, 5]}


def test_an_alias_of_an_alias_follows_the_nearer_variable() -> None:
    text = "first: &e 3\nsecond: *e\nmodifiers:\n  - !Probe {a: *e, b: eval(second)}\n"
    assert fields(text, first=5) == {"a": 5, "b": 5}
    assert fields(text, second=7) == {"a": 3, "b": 7}


@pytest.mark.parametrize(
    "text",
    [
        "levels: [0.5, &high 0.9]\nmodifiers:\n  - !Probe {level: *high}\n",
        "levels: &all {level: 0.5}\nmodifiers:\n  - !Probe {<<: *all}\n",
    ],
)
def test_an_argument_that_an_alias_would_not_see_is_refused(text: str) -> None:
    assert fields(text)["level"] in (0.5, 0.9)
    told = refused(text, levels=[0.1, 0.2])
    assert told.startswith("error: `levels` cannot be set: an alias here takes a part of its value as it is written\n")
    assert "  --> r.yaml:3:" in told


def test_everything_wrong_is_told_at_once_and_once() -> None:
    told = refused("a: eval(x)\nb: eval(a + 1)\nc: eval(1 / 0)\nmodifiers:\n  - !Probe {v: eval(b)}\n")
    assert [line for line in told.splitlines() if line.startswith("error")] == [
        "error: `eval(x)` cannot be computed: there is no variable `x`",
        "error: `eval(1 / 0)` cannot be computed: it divides by zero",
    ]


def test_a_long_chain_is_refused() -> None:
    text = "".join(f"v{i}: eval(v{i + 1})\n" for i in range(900)) + "v900: 1\n"
    assert refused(text).startswith("error: variables refer to each other more than 100 deep")


def test_what_counts_for_training_has_no_comments_names_or_order() -> None:
    other = """\
# The same, said otherwise
__metadata__: {torch_version: 2}
both: [a, b]
some_modifiers: []
other_modifiers:
- !Probe
  names: eval(both)
  start: 2   # epochs
  end: eval(1 + 2)
"""
    first, second = (recipe.resolve(recipe.read(t, "r.yaml")) for t in (TEXT, other))
    assert first.to_json() == second.to_json()
    assert first == second


STAGED = """\
base: &base 2
defaults: &defaults {rate: 1}
late_modifiers:
  - !Probe {whole: *base, <<: *defaults}
first_stage:
  base: &own 3
  shared: eval(base)
  first_modifiers:
    - !Probe {own: *own, shared: eval(shared)}
more_modifiers:
  - !Probe {of_stage: *own}
"""


def test_an_argument_sets_a_variable_in_every_stage_that_has_one() -> None:
    text = STAGED.replace(", <<: *defaults", "").replace("more_modifiers:\n  - !Probe {of_stage: *own}\n", "")
    document = recipe.read(text, "r.yaml")
    resolved = recipe.resolve(document, {"base": 7})
    assert [dict(entry.fields) for entry in resolved.entries] == [{"whole": 7}, {"own": 7, "shared": 7}]
    assert [dict(e.fields) for e in recipe.resolve(document).entries] == [{"whole": 2}, {"own": 3, "shared": 3}]


@pytest.mark.parametrize(("name", "place"), [("defaults", "r.yaml:4:31"), ("base", "r.yaml:11:23")])
def test_an_alias_is_never_silently_without_effect(name: str, place: str) -> None:
    """It takes what is written: of a table by `<<`, of a stage from outside it."""
    with pytest.raises(RecipeError) as caught:
        recipe.resolve(recipe.read(STAGED, "r.yaml"), {name: 7})
    (problem,) = caught.value.problems
    assert problem.message == f"`{name}` cannot be set: an alias here takes a part of its value as it is written"
    assert str(problem.position) == place


def test_a_stage_may_define_a_name_anew_from_that_of_the_top() -> None:
    text = "rate: 2\na_stage:\n  rate: eval(rate * 10)\n  a_modifiers:\n    - !Probe {rate: eval(rate)}\n"
    (entry,) = recipe.resolve(recipe.read(text, "r.yaml")).entries
    assert entry.fields == {"rate": 20}
