"""The label table: its order, and a teacher's table against it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.errors import UserError
from sparsebuild.tasks.labels import is_tag, label_table, map_labels

NAMES = st.lists(st.text("abc-", min_size=1, max_size=4), min_size=1, max_size=8, unique=True)


def test_outside_is_first_then_by_type_and_b_before_i() -> None:
    tags = ["I-person", "B-person", "B-creative-work", "O", "I-group", "B-group", "O"]
    assert label_table(tags) == (
        "O",
        "B-creative-work",
        "B-group",
        "I-group",
        "B-person",
        "I-person",
    )


def test_outside_is_there_even_if_no_word_has_it() -> None:
    assert label_table([]) == ("O",)


@pytest.mark.parametrize("tag", ["", "o", "B", "B-", "I-", "b-x", "S-x", "E-x", "BX", "PER"])
def test_what_is_no_tag(tag: str) -> None:
    assert not is_tag(tag)


@given(NAMES, st.randoms())
def test_a_teacher_with_the_same_names_is_mapped_by_name(names: list[str], chance) -> None:  # type: ignore[no-untyped-def]
    teacher = chance.sample(names, len(names))
    assert [teacher[place] for place in map_labels(names, teacher)] == names


def test_a_teacher_with_other_names_is_refused_with_both_lists() -> None:
    with pytest.raises(UserError) as error:
        map_labels(["O", "B-person"], ["O", "B-PER", "I-PER"])
    assert str(error.value) == (
        "error: the teacher does not know the same labels as the data\n"
        "  data:    O, B-person\n"
        "  teacher: O, B-PER, I-PER\n"
        "\n"
        "hint: only in the data: B-person\n"
        "      only in the teacher: B-PER, I-PER\n"
        '      take a teacher trained on these labels, or train one: `teacher.source = "target:teacher"`'
    )


def test_a_teacher_that_knows_more_is_refused_too() -> None:
    with pytest.raises(UserError, match="the teacher does not know the same labels"):
        map_labels(["O"], ["O", "B-x"])
