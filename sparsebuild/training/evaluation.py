"""What a model says about sentences: the best label of every word, and the F1 of its entities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsebuild.modifiers.base import Batch
from sparsebuild.tasks.entities import Scores
from sparsebuild.tasks.prepared import NO_LABEL, PreparedSplit
from sparsebuild.tasks.token_classification import predictions_to_tags, score
from sparsebuild.training.batches import by_length, collate
from sparsebuild.training.inputs import given

__all__ = [
    "LogitsOf",
    "figures_of",
    "first_piece_logits",
    "scores_of",
    "tags_of",
    "torch_logits",
]

LogitsOf = Callable[[Batch], Tensor]  # (b, s, labels) float32, for whatever computes it: torch or ONNX Runtime


def figures_of(logits_of: LogitsOf, split: PreparedSplit, labels: Sequence[str], batch_size: int) -> dict[str, float]:
    """What training shows of an epoch; `eval_loss` is the mean cross-entropy over words with a piece, in nats."""
    logits = first_piece_logits(logits_of, split, batch_size)
    scores = scores_of(logits, split, labels)
    overall = {name: getattr(scores.overall, name) for name in ("precision", "recall", "f1")}
    return {**overall, "accuracy": scores.accuracy, "eval_loss": _cross_entropy(logits, split)}


def scores_of(logits: Sequence[np.ndarray], split: PreparedSplit, labels: Sequence[str]) -> Scores:
    """The scores of what `first_piece_logits` gave."""
    gold = [[labels[k] for k in split.tags(i)] for i in range(len(split))]
    return score(gold, tags_of(logits, split, labels))


def tags_of(logits: Sequence[np.ndarray], split: PreparedSplit, labels: Sequence[str]) -> list[list[str]]:
    """A tag for every word of every sentence, by what `first_piece_logits` gave."""
    best = [np.argmax(rows, axis=-1).tolist() for rows in logits]
    return predictions_to_tags(split, best, labels)


def first_piece_logits(logits_of: LogitsOf, split: PreparedSplit, batch_size: int) -> list[np.ndarray]:
    """Per sentence, in the split's order, the logits of each word's first piece: (words, labels) float32."""
    rows: list[np.ndarray] = [np.empty(0)] * len(split)
    for chosen, logits, batch in _answers(logits_of, split, batch_size):
        for row, i in enumerate(chosen):
            rows[i] = logits[row][batch.words[row]].numpy()
    return rows


def torch_logits(model: nn.Module) -> LogitsOf:
    """A model's logits; puts it into evaluation mode, where observers do not learn."""
    model.eval()
    device = next(model.parameters()).device

    def logits_of(batch: Batch) -> Tensor:
        with torch.no_grad():
            logits: Tensor = model(**given(model, batch.to(device))).logits.float().cpu()
        return logits

    return logits_of


def _cross_entropy(logits: Sequence[np.ndarray], split: PreparedSplit) -> float:
    gold = [known[known != NO_LABEL] for known in (split.labels(i) for i in range(len(split)))]
    said, wanted = torch.from_numpy(np.concatenate(logits)), torch.from_numpy(np.concatenate(gold)).long()
    return float(F.cross_entropy(said.double(), wanted))


def _answers(logits_of: LogitsOf, split: PreparedSplit, batch_size: int) -> Iterator[tuple[list[int], Tensor, Batch]]:
    for chosen in by_length(split, batch_size):
        batch = collate([(split, i) for i in chosen])
        yield chosen, logits_of(batch), batch
