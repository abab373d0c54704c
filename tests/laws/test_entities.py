"""Our entity scores are seqeval's, whatever the tags; and they do not care about order."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, classification_report

from sparsebuild.tasks.entities import Score, beginnings, score, spans

TAGS = ["O", "B-a", "I-a", "B-b", "I-b", "B-creative-work", "I-creative-work"]
SENTENCE = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=12)


def both(pairs: list[list[tuple[str, str]]]) -> tuple[list[list[str]], list[list[str]]]:
    return [[gold for gold, _ in row] for row in pairs], [[said for _, said in row] for row in pairs]


def seqeval(gold: list[list[str]], said: list[list[str]]) -> dict[str, tuple[float, float, float, int]]:
    """Its figures by type, with the micro average under its own name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what it divides by zero
        report = classification_report(gold, said, output_dict=True, zero_division=0)
    return {
        kind: (row["precision"], row["recall"], row["f1-score"], row["support"])
        for kind, row in report.items()
        if kind not in ("macro avg", "weighted avg")
    }


def figures(a: Score) -> tuple[float, float, float, int]:
    return a.precision, a.recall, a.f1, a.support


def agree(gold: list[list[str]], said: list[list[str]]) -> None:
    ours = score(gold, said)
    rows = {kind: figures(one) for kind, one in ours.by_type.items()} | {"micro avg": figures(ours.overall)}
    theirs = seqeval(gold, said)
    assert rows.keys() == theirs.keys()
    for kind, row in rows.items():
        assert row == pytest.approx(theirs[kind], abs=1e-12)
    assert ours.accuracy == pytest.approx(accuracy_score(gold, said), abs=1e-12)


def test_equal_to_seqeval_on_a_thousand_random_sequences() -> None:
    chance = random.Random(0)
    for _ in range(1000):
        length = chance.randrange(1, 20)
        gold, said = ([chance.choice(TAGS) for _ in range(length)] for _ in range(2))
        said = [a if chance.random() < 0.6 else b for a, b in zip(gold, said, strict=True)]
        if any(tag != "O" for tag in gold + said):  # seqeval fails where there is nothing at all
            agree([gold], [said])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(SENTENCE.filter(bool), min_size=1, max_size=5).filter(
        lambda rows: any(p != ("O", "O") for r in rows for p in r)
    )
)
def test_equal_to_seqeval(pairs: list[list[tuple[str, str]]]) -> None:
    agree(*both(pairs))


@given(st.lists(SENTENCE, max_size=6), st.randoms())
def test_the_order_of_sentences_does_not_matter(pairs: list[list[tuple[str, str]]], chance: random.Random) -> None:
    shuffled = chance.sample(pairs, len(pairs))
    assert score(*both(pairs)) == score(*both(shuffled))


@given(st.lists(SENTENCE, max_size=6))
def test_swapping_gold_and_said_swaps_precision_and_recall(pairs: list[list[tuple[str, str]]]) -> None:
    gold, said = both(pairs)
    one, other = score(gold, said).overall, score(said, gold).overall
    assert (one.precision, one.recall, one.f1) == (other.recall, other.precision, other.f1)
    assert min(one.precision, one.recall) - 1e-12 <= one.f1 <= max(one.precision, one.recall) + 1e-12


@given(st.lists(SENTENCE, max_size=6))
def test_what_is_said_right_scores_one(pairs: list[list[tuple[str, str]]]) -> None:
    gold, _ = both(pairs)
    scores = score(gold, gold)
    assert scores.overall.f1 == (1.0 if scores.overall.support else 0.0)


@given(st.lists(st.lists(st.sampled_from(TAGS), min_size=1, max_size=8), min_size=1, max_size=6))
def test_as_many_entities_begin_as_there_are(sentences):
    numbers = np.array([TAGS.index(tag) for tags in sentences for tag in tags])
    firsts = np.cumsum([0, *map(len, sentences[:-1])])
    assert beginnings(numbers, firsts, TAGS) == sum(len(spans(tags)) for tags in sentences)
