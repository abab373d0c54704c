"""Training that goes wrong is stopped at once: a loss or gradient that is no number, and memory that is used up.

On a CPU each step is looked at before the weights change. On an accelerator looking means waiting, so the figures are
copied in the background and looked at as they arrive, a few steps late; before a checkpoint is written all have been
looked at. So a checkpoint is always a good one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Batch, Moment
from sparsebuild.training.settings import Settings

__all__ = ["Watch", "is_out_of_memory", "out_of_memory"]

_LATE = 8  # steps that may be on their way


@dataclass(frozen=True, slots=True)
class _Seen:
    moment: Moment
    figures: Tensor  # (2,) loss and gradient norm, on the CPU once `arrived`
    arrived: Any  # a CUDA event, or None where the figures are there


class Watch:
    """Looks at loss and gradient norm of every step; `last_good` gives the newest checkpoint's step."""

    def __init__(self, settings: Settings, last_good: Callable[[], int | None]) -> None:
        self._settings = settings
        self._last_good = last_good
        self._waiting: deque[_Seen] = deque()

    def see(self, moment: Moment, loss: Tensor, norm: Tensor) -> None:
        """Take in both scalars (); raises TargetFailed as soon as one is known to be no finite number."""
        self._waiting.append(_sent(moment, torch.stack([loss.detach().float(), norm.float()])))
        while self._waiting and (len(self._waiting) > _LATE or _has_arrived(self._waiting[0])):
            self._look(self._waiting.popleft())

    def drain(self) -> None:
        """Look at all that is on its way."""
        while self._waiting:
            self._look(self._waiting.popleft())

    def _look(self, seen: _Seen) -> None:
        if seen.arrived is not None:
            seen.arrived.synchronize()
        loss, norm = seen.figures.tolist()
        if not math.isfinite(loss):
            raise self._failure(f"the loss is {loss:g}", seen.moment)
        if not math.isfinite(norm):
            raise self._failure(f"the gradients have exploded: their norm is {norm:g}", seen.moment)

    def _failure(self, what: str, moment: Moment) -> TargetFailed:
        step = self._last_good()
        kept = "there is no checkpoint yet" if step is None else f"the last good checkpoint is of step {step}"
        return TargetFailed(
            f"{what} at step {moment.step} (epoch {moment.epoch:.2f}); {kept}",
            hint=f"to go on with the same settings ends here again: {_remedy(self._settings)}",
        )


def _remedy(settings: Settings) -> str:
    tries = ["lower the learning rate"]
    if not settings.max_grad_norm:
        tries.append("set `train.max_grad_norm` to 1.0")
    if not settings.warmup_steps:
        tries.append("warm up with `train.warmup_steps`")
    if settings.mixed_precision != "no":
        tries.append(f"train without `{settings.mixed_precision}`")
    return ", or ".join(tries)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device's memory, or the machine's, was not enough; torch has no type of its own for the latter."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def out_of_memory(batch: Batch, moment: Moment, saved: int | None) -> TargetFailed:
    """What to tell when there was no memory for `batch`."""
    sentences, width = batch.input_ids.shape
    kept = f"; the last good checkpoint is of step {saved}" if saved is not None else ""
    return TargetFailed(
        f"out of memory at step {moment.step} (epoch {moment.epoch:.2f}), "
        f"with a batch of {sentences} sentences of {width} pieces{kept}",
        hint="halve `train.per_device_train_batch_size` and double `train.gradient_accumulation_steps`, "
        "or lower `data.max_length`",
    )


def _sent(moment: Moment, figures: Tensor) -> _Seen:
    if figures.device.type != "cuda":
        return _Seen(moment, figures, None)
    there = torch.empty(figures.shape, pin_memory=True)
    there.copy_(figures, non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()
    return _Seen(moment, there, arrived)


def _has_arrived(seen: _Seen) -> bool:
    return seen.arrived is None or bool(seen.arrived.query())
