"""What `prepare` leaves of a split: flat arrays in .npy files, memory-mapped when read, the same bytes every time.

A folder holds, for n sentences with p word pieces and w words in all:
  input_ids.npy    (p,)   int32  the tokenizer's numbers
  labels.npy       (p,)   int32  the tag's number on the first piece of each word, else -100; all -100 if unlabelled
  words.npy        (p,)   int32  the word's place in its sentence on its first piece, else -1
  offsets.npy      (n+1,) int64  sentence i has the pieces offsets[i] to offsets[i + 1]
  tags.npy         (w,)   int32  the tag's number of every word, also of those that have no piece; -1 if unlabelled
  tag_offsets.npy  (n+1,) int64  sentence i has the words tag_offsets[i] to tag_offsets[i + 1]
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

__all__ = ["NO_LABEL", "NO_TAG", "PreparedSplit", "SplitWriter", "renumber"]

NO_LABEL = -100  # what torch's cross-entropy leaves out
NO_TAG = -1

_TOGETHER = 1 << 20  # values


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSplit:
    """A split, opened: nothing is read before it is asked for. What it gives out is read-only."""

    input_ids: np.ndarray
    piece_labels: np.ndarray
    piece_words: np.ndarray
    offsets: np.ndarray
    word_tags: np.ndarray
    tag_offsets: np.ndarray

    @classmethod
    def open(cls, folder: Path) -> PreparedSplit:
        """Map the files of `folder`; FileNotFoundError if it is not a prepared split."""
        return cls(
            input_ids=_mapped(folder / "input_ids.npy"),
            piece_labels=_mapped(folder / "labels.npy"),
            piece_words=_mapped(folder / "words.npy"),
            offsets=_mapped(folder / "offsets.npy"),
            word_tags=_mapped(folder / "tags.npy"),
            tag_offsets=_mapped(folder / "tag_offsets.npy"),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def pieces(self, i: int) -> np.ndarray:
        """(pieces,) int32: the tokenizer's numbers for sentence `i`."""
        return self.input_ids[self.offsets[i] : self.offsets[i + 1]]

    def labels(self, i: int) -> np.ndarray:
        """(pieces,) int32: the label of each word on its first piece, else -100."""
        return self.piece_labels[self.offsets[i] : self.offsets[i + 1]]

    def words(self, i: int) -> np.ndarray:
        """(pieces,) int32: the word's place in the sentence on its first piece, else -1."""
        return self.piece_words[self.offsets[i] : self.offsets[i + 1]]

    def tags(self, i: int) -> np.ndarray:
        """(words,) int32: the gold tag of every word, of those without a piece too; -1 if unlabelled."""
        return self.word_tags[self.tag_offsets[i] : self.tag_offsets[i + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """(sentences,) int64: pieces of each."""
        return np.diff(self.offsets)


class SplitWriter:
    """Writes a split some sentences at a time, in constant memory; the files are whole when the `with` block ends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = {"input_ids": "<i4", "labels": "<i4", "words": "<i4", "tags": "<i4"}
        names |= {"offsets": "<i8", "tag_offsets": "<i8"}
        self._columns = {name: _Column(folder / f"{name}.npy", np.dtype(kind)) for name, kind in names.items()}
        self._pieces = self._words = 0
        self._columns["offsets"].append(np.zeros(1))
        self._columns["tag_offsets"].append(np.zeros(1))

    def extend(
        self,
        input_ids: np.ndarray,  # (p,)
        labels: np.ndarray,  # (p,)
        words: np.ndarray,  # (p,)
        tags: np.ndarray,  # (w,)
        pieces: np.ndarray,  # (n,) how many of p are each sentence's
        word_counts: np.ndarray,  # (n,) how many of w
    ) -> None:
        """Append n sentences at once."""
        for name, values in (("input_ids", input_ids), ("labels", labels), ("words", words), ("tags", tags)):
            self._columns[name].append(values)
        self._columns["offsets"].append(self._pieces + np.cumsum(pieces))
        self._columns["tag_offsets"].append(self._words + np.cumsum(word_counts))
        self._pieces += len(input_ids)
        self._words += len(tags)

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for column in self._columns.values():
            column.close()


def renumber(folder: Path, numbers: np.ndarray) -> None:
    """Put `numbers[n]` for each number `n` of a tag or label of a split; -1 and -100 stay."""
    for name in ("labels", "tags"):
        values = np.load(folder / f"{name}.npy", mmap_mode="r+", allow_pickle=False)
        for start in range(0, len(values), _TOGETHER):
            some = values[start : start + _TOGETHER]
            some[:] = np.where(some < 0, some, numbers[np.maximum(some, 0)])
        values.flush()


class _Column:
    """One .npy file that grows. Its head, which tells the length, is written again when it is closed."""

    def __init__(self, path: Path, dtype: np.dtype) -> None:
        self._dtype, self._length = dtype, 0
        self._stream: BinaryIO = path.open("wb")
        self._stream.write(self._head())

    def append(self, values: np.ndarray) -> None:
        self._stream.write(values.astype(self._dtype, copy=False).tobytes())
        self._length += len(values)

    def close(self) -> None:
        self._stream.seek(0)
        self._stream.write(self._head())
        self._stream.close()

    def _head(self) -> bytes:
        """numpy leaves room in the head for the length to grow, so all heads are as long."""
        head = BytesIO()
        described = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(head, described)
        return head.getvalue()


def _mapped(path: Path) -> np.ndarray:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))  # a plain array: slices of a memmap are slow
