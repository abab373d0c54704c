"""The prepared format: what is written is what is read, mapped and not loaded."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebuild.tasks.prepared import PreparedSplit, SplitWriter

NUMBERS = st.integers(-(2**31), 2**31 - 1)
SENTENCES = st.lists(
    st.tuples(
        st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=5),
        st.lists(NUMBERS, min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=6,
).filter(lambda rows: any(pieces for pieces, _ in rows))


def add(writer: SplitWriter, ids: list[int], labels: list[int], words: list[int], tags: list[int]) -> None:
    """Append one sentence."""
    writer.extend(*map(np.array, (ids, labels, words, tags, [len(ids)], [len(tags)])))


@settings(deadline=None)
@given(rows=SENTENCES)
def test_what_is_written_is_read(rows: list, tmp_path_factory: pytest.TempPathFactory) -> None:  # type: ignore[type-arg]
    folder = tmp_path_factory.mktemp("split")
    with SplitWriter(folder) as writer:
        for pieces, tags in rows:
            ids, labels, words = ([piece[k] for piece in pieces] for k in range(3))
            add(writer, ids, labels, words, tags)
    split = PreparedSplit.open(folder)
    assert split.lengths.tolist() == [len(pieces) for pieces, _ in rows]
    for i, (pieces, tags) in enumerate(rows):
        columns = (split.pieces(i), split.labels(i), split.words(i))
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == pieces
        assert split.tags(i).tolist() == tags
    assert len(split) == len(rows)


def test_the_files_are_plain_npy_of_the_stated_types(tmp_path: Path) -> None:
    with SplitWriter(tmp_path) as writer:
        for _ in range(2):
            labels, words = np.tile([0, -100], 20_000), np.tile([0, -1], 20_000)
            sizes, ones = np.full(20_000, 2), np.full(20_000, 1)
            writer.extend(np.arange(40_000), labels, words, ones, sizes, ones)
    kinds = {path.stem: (np.load(path).dtype.str, len(np.load(path))) for path in tmp_path.iterdir()}
    assert kinds == {
        "input_ids": ("<i4", 80_000),
        "labels": ("<i4", 80_000),
        "words": ("<i4", 80_000),
        "offsets": ("<i8", 40_001),
        "tags": ("<i4", 40_000),
        "tag_offsets": ("<i8", 40_001),
    }
    assert PreparedSplit.open(tmp_path).pieces(39_999).tolist() == [39_998, 39_999]


def test_what_is_opened_cannot_be_changed(tmp_path: Path) -> None:
    with SplitWriter(tmp_path) as writer:
        add(writer, [1], [0], [0], [0])
    with pytest.raises(ValueError, match="read-only"):
        PreparedSplit.open(tmp_path).pieces(0)[0] = 2


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"input_ids\.npy"):
        PreparedSplit.open(tmp_path)
