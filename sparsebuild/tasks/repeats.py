"""Sentences that were trained on and are judged by too: what is measured on them says little about new ones."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from sparsebuild.tasks.holdout import number_of

__all__ = ["Repeats"]


class Repeats:
    """Remembers the sentences of one split, in 8 bytes each, to find them in others. Tags do not count."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._sorted: np.ndarray | None = None

    def learn(self, sentences: Sequence[Sequence[str]]) -> None:
        """Remember these, before anything is looked for."""
        self._numbers.extend(map(number_of, sentences))

    def among(self, sentences: Sequence[Sequence[str]]) -> list[bool]:
        """Which of these are known."""
        if self._sorted is None:
            self._sorted = np.sort(np.frombuffer(self._numbers, dtype=np.uint64))
        asked = np.array([number_of(words) for words in sentences], dtype=np.uint64)
        places = np.searchsorted(self._sorted, asked)
        return [bool(at < len(self._sorted) and self._sorted[at] == n) for at, n in zip(places, asked, strict=True)]
