"""Gradients of the task's loss over labelled sentences, taken beside training and without a trace in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from sparsebuild.modifiers.base import Batch, Gradients
from sparsebuild.training.batches import Corpus, batch_order
from sparsebuild.training.inputs import given

__all__ = ["labelled_gradients"]

_APART = 7_919  # keys are this far apart in what decides the order of batches: more passes than one key will take


def labelled_gradients(
    model: Any,
    corpus: Corpus,
    loss: Callable[[Tensor, Tensor], Tensor],  # of logits and labels
    usual: int,  # sentences of a batch where who asks does not say
    seed: int,
) -> Gradients:
    """Who asks gets them as often as it likes: no random state is touched, no observer learns, no gradient is kept."""
    lengths = corpus.lengths[: corpus.labelled].tolist()

    def batches(key: int, size: int) -> Iterator[Batch]:
        device = next(model.parameters()).device
        for order in (batch_order(lengths, size, seed, key * _APART + i) for i in itertools.count()):
            yield from (corpus.batch(rows).to(device) for rows in order)

    def gradients(
        weights: Sequence[Tensor], *, key: int, count: int | None, size: int | None
    ) -> Iterator[Sequence[Tensor]]:
        was_training = model.training
        model.eval()
        frozen = [weight for weight in weights if not weight.requires_grad]  # not trained, but worth something
        size = size or usual
        try:
            for weight in frozen:
                weight.requires_grad_(True)
            for batch in itertools.islice(batches(key, size), -(-corpus.labelled // size) if count is None else count):
                logits = model(**given(model, batch)).logits
                yield torch.autograd.grad(
                    loss(logits, batch.labels), list(weights), allow_unused=True, materialize_grads=True
                )
        finally:
            for weight in frozen:
                weight.requires_grad_(False)
            model.train(was_training)

    return gradients
