"""Which sentences are in which batch, and the tensors of a batch.

The order is a pure function of (seed, epoch): nothing of a sampler has to be kept to resume. Batches hold sentences of
similar length, which halves the padding: the shuffled sentences are taken in pools of 32 batches, each pool is sorted
by length and cut, and all batches are shuffled again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sparsebuild.modifiers.base import Batch
from sparsebuild.tasks.prepared import PreparedSplit

__all__ = ["Corpus", "TeacherAnswers", "batch_order", "by_length", "collate", "count_drawn", "drawn", "steps_per_epoch"]

_POOL = 32  # batches


@dataclass(frozen=True, slots=True)
class TeacherAnswers:
    """What the teacher said about every piece of a split, memory-mapped; in the order of the split's pieces."""

    logits: np.ndarray  # (pieces, labels) float32
    hidden: np.ndarray | None  # (pieces, layers, width) float16

    @classmethod
    def open(cls, folder: Path) -> TeacherAnswers:
        hidden = folder / "hidden.npy"
        return cls(
            logits=np.load(folder / "logits.npy", mmap_mode="r"),
            hidden=np.load(hidden, mmap_mode="r") if hidden.exists() else None,
        )


@dataclass(frozen=True, slots=True)
class Corpus:
    """A labelled split and an unlabelled pool, seen as one sequence of sentences: labelled first."""

    splits: tuple[PreparedSplit, ...]  # labelled, then unlabelled if there is a pool
    answers: tuple[TeacherAnswers, ...] = ()  # one per split, or none

    @property
    def labelled(self) -> int:
        return len(self.splits[0])

    @property
    def pool(self) -> int:
        return len(self.splits[1]) if len(self.splits) > 1 else 0

    @property
    def lengths(self) -> np.ndarray:
        """(sentences,) pieces of each."""
        return np.concatenate([np.asarray(s.lengths) for s in self.splits])

    def batch(self, chosen: Sequence[int]) -> Batch:
        """The sentences `chosen`, padded to the longest."""
        located = [(0, i) if i < self.labelled else (1, i - self.labelled) for i in chosen]
        batch = collate([(self.splits[s], i) for s, i in located])
        return (
            _with_answers(batch, [(self.splits[s], self.answers[s], i) for s, i in located]) if self.answers else batch
        )


def steps_per_epoch(sentences: int, batch_size: int, accumulation: int) -> int:
    """Optimizer updates in one epoch: ceil(sentences / (batch size · accumulation))."""
    return math.ceil(sentences / (batch_size * accumulation))


def count_drawn(labelled: int, pool: int, ratio: float) -> int:
    """How many sentences an epoch has."""
    return labelled + min(pool, int(labelled * ratio))


def drawn(labelled: int, pool: int, ratio: float, seed: int, epoch: int) -> list[int]:
    """The sentences of an epoch: all labelled ones and `ratio` times as many of the pool, without replacement.

    Each epoch draws anew. Indices of the pool follow those of the labelled sentences.
    """
    extra = count_drawn(labelled, pool, ratio) - labelled
    generator = torch.Generator().manual_seed(_mixed(seed, epoch, 1))
    chosen = torch.randperm(pool, generator=generator)[:extra].tolist()
    return [*range(labelled), *(labelled + i for i in chosen)]


def batch_order(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """Batches of positions in `lengths`, of similar length within a batch, in a shuffled order."""
    generator = torch.Generator().manual_seed(_mixed(seed, epoch, 0))
    shuffled = torch.randperm(len(lengths), generator=generator).tolist()
    cut: list[list[int]] = []
    for start in range(0, len(shuffled), size * _POOL):
        pool = sorted(shuffled[start : start + size * _POOL], key=lambda i: lengths[i])
        cut += [pool[k : k + size] for k in range(0, len(pool), size)]
    return [cut[k] for k in torch.randperm(len(cut), generator=generator).tolist()]


def by_length(split: PreparedSplit, size: int) -> list[list[int]]:
    """The sentences of a split in batches of similar length, for evaluation."""
    order = np.argsort(np.asarray(split.lengths), kind="stable").tolist()
    return [order[i : i + size] for i in range(0, len(order), size)]


def collate(rows: Sequence[tuple[PreparedSplit, int]]) -> Batch:
    """Sentences as one batch, padded on the right to the longest."""
    count, width = len(rows), max(len(split.pieces(i)) for split, i in rows)
    ids = torch.zeros(count, width, dtype=torch.long)
    mask = torch.zeros(count, width, dtype=torch.long)
    labels = torch.full((count, width), -100, dtype=torch.long)
    words = torch.zeros(count, width, dtype=torch.bool)
    for row, (split, i) in enumerate(rows):
        length = len(split.pieces(i))
        ids[row, :length] = _tensor(split.pieces(i))
        mask[row, :length] = 1
        labels[row, :length] = _tensor(split.labels(i))
        words[row, :length] = _tensor(split.words(i)) >= 0
    return Batch(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids), labels=labels, words=words)


def _with_answers(batch: Batch, rows: Sequence[tuple[PreparedSplit, TeacherAnswers, int]]) -> Batch:
    spans = [(answers, slice(int(s.offsets[i]), int(s.offsets[i + 1]))) for s, answers, i in rows]
    logits = torch.cat([_tensor(a.logits[span]) for a, span in spans])
    hidden = None
    if all(a.hidden is not None for a, _ in spans):
        hidden = torch.cat([_tensor(a.hidden[span]) for a, span in spans if a.hidden is not None])
        hidden = hidden.float().transpose(0, 1)
    return Batch(
        **batch.model_inputs, labels=batch.labels, words=batch.words, teacher_logits=logits, teacher_hidden=hidden
    )


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values))  # a copy: the file is mapped read-only


def _mixed(seed: int, epoch: int, purpose: int) -> int:
    """A seed for one purpose in one epoch, far from those of its neighbours."""
    return (seed * 1_000_003 + epoch * 2 + purpose) % 2**63
