"""Limits, and what the values promise by themselves."""

from dataclasses import FrozenInstanceError, fields

import pytest

from sparsebuild.manifest import Limit, TeacherTrain, Train


@pytest.mark.parametrize(
    ("text", "held", "broken"),
    [(">= 0.4", 0.4, 0.39), ("<=22.5", 22.5, 22.6), ("> 1e-3", 0.002, 0.001), ("  < -1 ", -2.0, -1.0)],
)
def test_a_limit_holds_or_not(text, held, broken):
    limit = Limit.parse(text)
    assert (limit.holds(held), limit.holds(broken), limit.holds(float("nan"))) == (True, False, False)
    assert Limit.parse(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "0.4", "=> 0.4", ">= .5", ">= 1.", ">= nan", ">= 0,4", ">= 1 MB", ">= 0.4\n< 1"])
def test_what_is_not_a_limit(text):
    with pytest.raises(ValueError, match="not a limit"):
        Limit.parse(text)


def test_values_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Train().seed = 1  # type: ignore[misc]


def test_a_teacher_is_trained_with_the_same_words():
    assert {f.name for f in fields(TeacherTrain)} - {f.name for f in fields(Train)} == {"from_", "trust"}
