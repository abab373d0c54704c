"""Entity F1 on the edge cases that seqeval and the shared tasks' script are known by."""

import pytest

from sparsebuild.tasks.entities import Score, score, spans


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", set()),
        ("O O", set()),
        ("B-a I-a O B-b", {("a", 0, 1), ("b", 3, 3)}),
        ("I-a I-a", {("a", 0, 1)}),  # I- without B-
        ("O I-a O", {("a", 1, 1)}),
        ("B-a I-b", {("a", 0, 0), ("b", 1, 1)}),  # the type changes inside a chunk
        ("B-a I-b I-a", {("a", 0, 0), ("b", 1, 1), ("a", 2, 2)}),
        ("B-a B-a I-a", {("a", 0, 0), ("a", 1, 2)}),  # B- after B-
        ("I-a B-a", {("a", 0, 0), ("a", 1, 1)}),
        (
            "B-creative-work I-creative-work",
            {("creative-work", 0, 1)},
        ),  # a type may hold the mark
        (
            "B-a I-work I-creative-work",
            {("a", 0, 0), ("work", 1, 1), ("creative-work", 2, 2)},
        ),
        ("B-a x I-a", {("a", 0, 0), ("a", 2, 2)}),  # what is no tag is outside
        ("B- I-", set()),
    ],
)
def test_spans(tags: str, expected: set[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == expected


def test_an_entity_counts_only_if_its_ends_and_its_type_are_right() -> None:
    gold = [["B-a", "I-a", "O", "B-b"], ["B-a", "O"]]
    said = [["B-a", "O", "O", "B-b"], ["B-b", "O"]]
    scores = score(gold, said)
    assert scores.overall == Score(precision=1 / 3, recall=1 / 3, f1=1 / 3, support=3)
    assert scores.by_type == {
        "a": Score(precision=0.0, recall=0.0, f1=0.0, support=2),
        "b": Score(precision=0.5, recall=1.0, f1=2 / 3, support=1),
    }
    assert scores.accuracy == 4 / 6


def test_spans_do_not_go_on_into_the_next_sentence() -> None:
    assert score([["B-a"], ["I-a"]], [["B-a"], ["I-a"]]).overall.support == 2


def test_nothing_to_find_and_nothing_said_scores_zero() -> None:
    scores = score([["O"]], [["O"]])
    assert scores.overall == Score(precision=0.0, recall=0.0, f1=0.0, support=0)
    assert (scores.by_type, scores.accuracy) == ({}, 1.0)
    assert score([], []).accuracy == 0.0


def test_a_type_that_was_only_said_is_listed() -> None:
    assert score([["O"]], [["B-b"]]).by_type == {"b": Score(precision=0.0, recall=0.0, f1=0.0, support=0)}


@pytest.mark.parametrize("said", [[], [["O"]], [["O", "O"], ["O"]]])
def test_taggings_of_other_sentences_are_refused(said: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        score([["O", "O"]], said)
