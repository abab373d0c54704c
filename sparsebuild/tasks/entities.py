"""Precision, recall and F1 of entities, counted as CoNLL counts them: a span is right only if its ends and type are.

Reading is lenient, as in the shared tasks' own script: whatever a tagger says has a meaning.
  B-X  opens a span of X; a span that was open ends before it.
  I-X  goes on with an open span of X; with no span, or one of another type, it opens a span of X.
  O    is outside, and so is every tag that is none of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Score", "Scores", "Span", "beginnings", "score", "spans"]

Span = tuple[str, int, int]  # type, first word, last word (inclusive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well entities were found; a ratio with nothing to divide by is 0."""

    precision: float
    recall: float
    f1: float
    support: int  # entities in the gold tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """`overall` counts all entities alike (micro average); `by_type` is in alphabetical order."""

    overall: Score
    by_type: Mapping[str, Score]  # every type that is in the gold tags or was predicted
    accuracy: float  # share of words whose tag is right; mostly `O`, so read F1


def score(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Scores:
    """Compare two taggings of the same sentences; ValueError if they are not of the same sentences."""
    wanted, found, right = Counter[str](), Counter[str](), Counter[str]()
    words = words_right = 0
    for truth, guess in zip(gold, predicted, strict=True):
        true_spans, guessed_spans = spans(truth), spans(guess)
        wanted.update(kind for kind, _, _ in true_spans)
        found.update(kind for kind, _, _ in guessed_spans)
        right.update(kind for kind, _, _ in true_spans & guessed_spans)
        words += len(truth)
        words_right += sum(a == b for a, b in zip(truth, guess, strict=True))
    return Scores(
        overall=_score(wanted.total(), found.total(), right.total()),
        by_type={kind: _score(wanted[kind], found[kind], right[kind]) for kind in sorted(wanted | found)},
        accuracy=_ratio(words_right, words),
    )


def spans(tags: Sequence[str]) -> set[Span]:
    """The entities of one sentence."""
    found: set[Span] = set()
    kind, first = "", 0  # of the span that is open; "" is none
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, its_kind = tag.partition("-")
        if prefix not in ("B", "I"):
            its_kind = ""
        if kind and (prefix == "B" or its_kind != kind):
            found.add((kind, first, position - 1))
            kind = ""
        if its_kind and not kind:
            kind, first = its_kind, position
    return found


def beginnings(
    tags: np.ndarray,  # (w,) the numbers of the words' labels, sentence by sentence
    firsts: np.ndarray,  # (n,) where each sentence begins
    labels: Sequence[str],
) -> int:
    """How many entities `spans` finds in n sentences: as many as begin."""
    halves = [label.partition("-") for label in labels]
    kinds = {"": 0}
    kind_of = np.array([kinds.setdefault(k if prefix in ("B", "I") else "", len(kinds)) for prefix, _, k in halves])
    opens = np.array([prefix == "B" for prefix, _, _ in halves])
    kind = kind_of[tags]
    before = np.concatenate([[0], kind[:-1]])
    before[firsts] = 0
    return int(((kind > 0) & (opens[tags] | (kind != before))).sum())


def _score(wanted: int, found: int, right: int) -> Score:
    return Score(
        precision=_ratio(right, found),
        recall=_ratio(right, wanted),
        f1=_ratio(2 * right, wanted + found),
        support=wanted,
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
