"""Which process reads the rows changes nothing that comes out."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.errors import DataError
from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.reading import Batch, Reading
from sparsebuild.tasks.rows import DataFile
from sparsebuild.tasks.sentences import Columns, Sentence

ROW = '{"tokens": ["one", "Bonn"], "ner_tags": ["O", "B-place"]}\n'
WRONG = '{"tokens": ["one"], "ner_tags": [], "is": "wrong"}\n'


def reading(folder: Path, **files: str | bytes) -> Reading:
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    described = [DataFile(path=folder / name, name=f"data/{name}", format="jsonl") for name in files]
    return Reading(files=described, columns=Columns(text="tokens", labels="ner_tags"), declared=None)


def seen(batches: Iterator[Batch]) -> tuple[list[Sentence], list[int], str]:
    """All sentences, the bytes at each batch, and what is complained of."""
    sentences, read, complaints = list[Sentence](), list[int](), Complaints()
    for batch in batches:
        sentences += batch.sentences
        read.append(batch.bytes_read)
        complaints.take(batch.complaints)
    try:
        complaints.raise_if_any()
    except DataError as error:
        return sentences, read, str(error)
    return sentences, read, ""


def test_a_process_of_its_own_reads_the_same(tmp_path: Path) -> None:
    """Some right, some wrong, before and after what a batch holds; more that is wrong than is shown; a file that breaks
    off in a character."""
    first = ROW * 1500 + WRONG + ROW * 700 + WRONG * 15
    asked = reading(tmp_path, a=first, b="", c=ROW + WRONG, d=b'\xff{"tokens"')
    here, apart = seen(asked.batches(apart=False)), seen(asked.batches(apart=True))
    assert apart == here
    assert len(here[0]) == 2201
    assert sum(here[1]) == sum(file.path.stat().st_size for file in asked.files)
    assert "and 8 more problems: 6 in data/a, 1 in data/c, 1 in data/d" in here[2]


def test_a_reading_process_that_is_killed_is_told_and_none_stays(tmp_path: Path) -> None:
    batches = reading(tmp_path, a=ROW * 30_000).batches(apart=True)
    next(batches)
    (process,) = multiprocessing.active_children()
    process.kill()
    with pytest.raises(RuntimeError, match="the process that reads data/a ended with -9"):
        list(batches)
    again = reading(tmp_path, a=ROW * 30_000).batches(apart=True)
    next(again)
    again.close()  # type: ignore[attr-defined]  # a generator
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("tag", ["true", "1.0", "[1]", "2"])
def test_what_looks_like_the_number_of_a_tag_that_was_seen_is_none(tag: str, tmp_path: Path) -> None:
    (tmp_path / "rows").write_text(
        '{"tokens": ["a"], "ner_tags": [1]}\n' + f'{{"tokens": ["a"], "ner_tags": [{tag}]}}\n'
    )
    file = DataFile(path=tmp_path / "rows", name="rows", format="jsonl")
    asked = Reading(files=[file], columns=Columns(text="tokens", labels="ner_tags"), declared=("O", "B-place"))
    sentences, _, complaints = seen(asked.batches())
    assert [sentence.tags for sentence in sentences] == [["B-place"]]
    assert f"tag `{tag}` (word 1, `a`) is not in the label table\n  --> rows:2" in complaints


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["", "x", "y"])))))
def test_complaints_that_are_taken_are_as_if_told_one_by_one(batches: list[list[tuple[str, int, str]]]) -> None:
    taken, told = Complaints(shown=3), Complaints(shown=3)
    for batch in batches:
        others = Complaints(shown=3)
        for file, line, hint in batch:
            for complaints in (others, told):
                complaints.add(f"wrong in {file}", file, line, hint=hint)
        taken.take(others)
        assert len(others) == 0
    assert len(taken) == len(told)
    assert _said(taken) == _said(told)


def _said(complaints: Complaints) -> str:
    try:
        complaints.raise_if_any()
    except DataError as error:
        return str(error)
    return ""
