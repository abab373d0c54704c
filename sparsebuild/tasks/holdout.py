"""A part of the training rows set aside for validation, where a project has no rows for that.

Which side a sentence falls on follows from its words and the seed alone. So it stays there when rows are added, taken
out or put in another order, and two sentences with the same words are never on different sides. The price is that the
fraction is met as dice meet it, not to the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

__all__ = ["Holdout", "number_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """How much is set aside, and which draw it is."""

    fraction: float  # between 0 and 1
    seed: int = 42

    def holds(self, words: Sequence[str]) -> bool:
        """Whether the sentence with these words is one for validation."""
        return number_of(words, self.seed) < self.fraction * 2**64


def number_of(words: Sequence[str], seed: int = 0) -> int:
    """64 bits that follow from the words alone, on every machine.

    TypeError if one is no text, UnicodeEncodeError if one holds half of a surrogate pair.
    """
    salt = seed.to_bytes(8, "little")
    return int.from_bytes(blake2b("\0".join(words).encode(), digest_size=8, salt=salt).digest(), "little")
