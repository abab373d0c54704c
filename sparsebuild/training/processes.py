"""Several processes that train as one: each computes some rows of a batch, and each sees what all have computed.

Every process knows the whole batch, computes the outputs of its own rows, and is given those of the others. So every
loss and every modifier works on the whole batch, as in one process; gradients flow into a process's own rows alone, and
their sum over processes is that of the whole. What is left to differ from one process is the order of sums, and
dropout, which each process draws for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sparsebuild.modifiers.base import Batch

__all__ = ["Processes", "widest"]

_BUCKET = 1 << 23  # gradients that are summed at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Processes:
    """How many there are, and which one this is."""

    count: int = 1
    rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def part(self, batch: Batch) -> Batch:
        """This process's rows, as many as every process has: a row is repeated where the batch does not go round."""
        if self.count == 1:
            return batch
        rows = len(batch.input_ids)
        each = -(-rows // self.count)
        mine = torch.arange(each, device=batch.input_ids.device) * self.count + self.rank
        mine = mine.clamp(max=rows - 1)
        names = [f.name for f in fields(batch) if not f.name.startswith("teacher")]  # the teacher's are by piece
        return replace(batch, **{n: getattr(batch, n)[mine] for n in names}, teacher_logits=None, teacher_hidden=None)

    def whole(self, outputs: Any, batch: Batch) -> Any:
        """The outputs of the whole `batch`: `logits` and, where there are any, `hidden_states`."""
        if self.count == 1:
            return outputs
        rows = len(batch.input_ids)
        states = outputs.hidden_states
        return SimpleNamespace(
            logits=self._gathered(outputs.logits, rows),
            hidden_states=None if states is None else tuple(self._gathered(s, rows) for s in states),
        )

    def sum_gradients(self, model: nn.Module) -> None:
        """Give every process the gradients of the whole batch."""
        if self.count == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        for bucket in _buckets(gradients):
            flat = torch.cat([g.flatten() for g in bucket])
            dist.all_reduce(flat)
            sums = torch.split(flat, [g.numel() for g in bucket])
            for gradient, summed in zip(bucket, sums, strict=True):
                gradient.copy_(summed.view_as(gradient))

    def agreed(self, value: float, device: torch.device) -> float:
        """The first process's `value`, in all of them."""
        if self.count == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64, device=device)
        dist.broadcast(told, 0)
        return float(told)

    def _gathered(
        self,
        own: Tensor,  # (rows of each process, …)
        rows: int,
    ) -> Tensor:  # (rows, …)
        there = [torch.empty_like(own) for _ in range(self.count)]
        dist.all_gather(there, own.detach().contiguous())
        there[self.rank] = own
        return torch.stack(there, 1).flatten(0, 1)[:rows]  # row i was computed by process i mod count


def widest(lowest: Tensor, highest: Tensor) -> tuple[Tensor, Tensor]:
    """The range () to () that the ranges of all processes lie in; one process's own where there is but one."""
    if not (dist.is_available() and dist.is_initialized()):
        return lowest, highest
    both = torch.stack([-lowest, highest])
    dist.all_reduce(both, dist.ReduceOp.MAX)
    return -both[0], both[1]


def _buckets(gradients: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    bucket: list[Tensor] = []
    for gradient in gradients:
        bucket.append(gradient)
        if sum(g.numel() for g in bucket) >= _BUCKET:
            yield bucket
            bucket = []
    if bucket:
        yield bucket
