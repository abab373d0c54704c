"""Sentences that were trained on and are judged by too: what is measured on them says little about new ones."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Repeats"]


class Repeats:
    """Remembers the sentences of one split, in 8 bytes each, to find them in others. Tags do not count."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._sorted: np.ndarray | None = None

    def learn(self, numbers: Iterable[int]) -> None:
        """Remember sentences by their `number_of`, before any is looked for."""
        self._numbers.extend(numbers)

    def among(self, numbers: Sequence[int]) -> list[bool]:
        """Which of these are known."""
        if self._sorted is None:
            self._sorted = np.sort(np.frombuffer(self._numbers, dtype=np.uint64))
        asked = np.array(numbers, np.uint64)
        begin = np.searchsorted(self._sorted, asked, "left")
        known: list[bool] = (begin < np.searchsorted(self._sorted, asked, "right")).tolist()
        return known
