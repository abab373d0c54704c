"""Sentences out of CoNLL columns."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.errors import DataError
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.conll_rows import looks_like_conll
from sparsebuild.tasks.rows import DataFile, read_rows

COLUMNS = {"tokens": "data.text_column", "ner_tags": "data.label_column"}


def read(folder: Path, text: str, columns: dict[str, str] | None = None) -> list[tuple[int, list[Any]]]:
    """Line, words, tags of each sentence; raises DataError for complaints."""
    path = folder / "a.conll"
    path.write_text(text, encoding="utf-8", newline="")
    complaints = Complaints()
    found = [
        (row.line, *row.values.values())
        for row in read_rows(DataFile(path=path, name="a.conll"), columns or COLUMNS, complaints)
    ]
    complaints.raise_if_any()
    return found


@pytest.mark.parametrize("middle", ["", " NNP", " NNP B-NP"], ids=["2 columns", "3 columns", "4 columns"])
@pytest.mark.parametrize("cut", [" ", "\t"], ids=["blanks", "tabs"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
def test_the_word_is_first_and_its_tag_last(middle: str, cut: str, end: str, tmp_path: Path) -> None:
    lines = ["-DOCSTART-{} O", "", "EU{} B-ORG", "rejects{} O", "", "", "Peter{} B-PER", "-DOCSTART-{} O", "He{} O", ""]
    text = end.join(lines).replace("{}", middle).replace(" ", cut)
    assert read(tmp_path, text) == [
        (3, ["EU", "rejects"], ["B-ORG", "O"]),
        (7, ["Peter"], ["B-PER"]),
        (9, ["He"], ["O"]),
    ]


def test_a_last_sentence_needs_no_blank_line_and_a_blank_line_may_hold_blanks(tmp_path: Path) -> None:
    assert read(tmp_path, "a O\n \t \nb O") == [(1, ["a"], ["O"]), (3, ["b"], ["O"])]
    assert read(tmp_path, "") == read(tmp_path, "\n\n-DOCSTART-\n") == []


def test_between_tabs_a_word_may_hold_blanks_and_between_blanks_many_part_columns(tmp_path: Path) -> None:
    assert read(tmp_path, "New York\tB-LOC\n") == [(1, ["New York"], ["B-LOC"])]
    assert read(tmp_path, "a   NN  O \nb NN O\n") == [(1, ["a", "b"], ["O", "O"])]
    assert read(tmp_path, "1\u00a0000 O\n") == [(1, ["1\u00a0000"], ["O"])]


def test_other_columns_are_named_by_their_numbers(tmp_path: Path) -> None:
    columns = {"2": "data.text_column", "3": "data.label_column"}
    assert read(tmp_path, "1 EU B-ORG x\n2 talks O x\n", columns) == [(1, ["EU", "talks"], ["B-ORG", "O"])]


def test_without_tags_one_column_is_enough(tmp_path: Path) -> None:
    assert read(tmp_path, "EU\nrejects\n\nPeter\n", {"tokens": ""}) == [(1, ["EU", "rejects"]), (4, ["Peter"])]


def test_a_comment_stands_before_a_sentence_and_a_word_may_be_a_hash(tmp_path: Path) -> None:
    assert read(tmp_path, "# id = 1\na O\n# O\n\n# O\n") == [(2, ["a", "#"], ["O", "O"]), (5, ["#"], ["O"])]


def test_every_line_that_is_cut_otherwise_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, "EU NNP B-ORG\nrejects O\n\nGerman JJ\tx B-MISC\n")
    assert str(error.value) == (
        "error: 2 columns\n  --> a.conll:2:1\n\n"
        "hint: columns are parted by blanks here, as in line 1, which has 3\n\n"
        "error: 4 columns\n  --> a.conll:4:1"
    )


@pytest.mark.parametrize(
    ("text", "columns", "fault"),
    [
        ("EU\n", COLUMNS, "1 column, but CoNLL has 2 to 4, with the word in the first and its tag in the last"),
        ("a b c d O\n", COLUMNS, "5 columns, but CoNLL has 2 to 4, with the word in the first and its tag in the last"),
        ("a O\n", {"1": "data.text_column", "4": "data.label_column"}, "there is no column `4`, but 2"),
    ],
)
def test_a_file_that_is_wrong_throughout_is_told_once(
    text: str, columns: dict[str, str], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, text * 50, columns)
    assert [problem.message for problem in error.value.problems] == [fault]


def test_a_file_without_blank_lines_does_not_fill_the_memory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has more than 100,000 words: is a blank line lost"):
        read(tmp_path, "a O\n" * 100_001)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1).filter(
    lambda word: not word.startswith(("-DOCSTART-", "#"))
)
SENTENCES = st.lists(st.lists(st.tuples(WORDS, st.sampled_from(["O", "B-X", "I-X"])), min_size=1))


@given(sentences=SENTENCES, cut=st.sampled_from([" ", "\t", " NN ", "\tNN\t"]))
def test_what_is_written_is_read(sentences: list[list[tuple[str, str]]], cut: str, tmp_path_factory: Any) -> None:
    text = "\n".join("".join(f"{word}{cut}{tag}\n" for word, tag in sentence) for sentence in sentences)
    found = [list(zip(words, tags, strict=True)) for _, words, tags in read(tmp_path_factory.mktemp("rows"), text)]
    assert found == sentences
    assert looks_like_conll(text) == bool(sentences)
