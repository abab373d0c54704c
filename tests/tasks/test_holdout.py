"""Which rows are set aside, and which occur twice."""

from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.tasks.holdout import Holdout, number_of
from sparsebuild.tasks.repeats import Repeats

MANY = [[str(number), "is", "one"] for number in range(5000)]
SENTENCES = st.lists(st.lists(st.text("ab ", max_size=2), min_size=1, max_size=3), max_size=20)


def held(fraction: float, seed: int = 42) -> set[str]:
    return {words[0] for words in MANY if Holdout(fraction=fraction, seed=seed).holds(words)}


def test_the_fraction_is_met_and_a_larger_one_takes_more_of_the_same() -> None:
    assert 400 < len(held(0.1)) < 600
    assert held(0.1) < held(0.2)


def test_the_seed_is_the_draw() -> None:
    assert held(0.1, 1) == held(0.1, 1)
    assert len(held(0.1, 1) & held(0.1, 2)) < 100


def test_the_number_is_the_same_on_every_machine() -> None:
    assert number_of(["New", "York"]) == 17892238627270676431
    assert number_of(["New", "York"], 42) == 8346079730611891277
    assert number_of(["New York"]) != number_of(["New", "York"])


@given(SENTENCES, SENTENCES)
def test_repeats_are_those_of_the_same_words(learnt: list[list[str]], asked: list[list[str]]) -> None:
    repeats = Repeats()
    for sentence in learnt:  # piece by piece, as batches come
        repeats.learn([number_of(sentence)])
    found = repeats.among([number_of(sentence) for sentence in asked])
    assert [repr(is_known) for is_known in found] == [repr(words in learnt) for words in asked]
