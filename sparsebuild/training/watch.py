"""Training that goes wrong is stopped at once: a loss or gradient that is no number, one that explodes, and memory that
is used up.

One bad batch is no explosion, and neither is what pruning or quantization does to a model for a while. So a figure has
exploded where each of `train.explosion_patience` updates in a row (20; 0 never looks) has
  - a loss on the tags above ten times that of guessing, ln(labels), which the worst pruned model stays below; or
  - a gradient norm above 100, and above 100 times the median of up to 200 updates before the row, of which there must
    be 20. Norms are those before clipping: a mean over pieces, in the tens at most while anything is learnt.

On a CPU each step is looked at before the weights change. On an accelerator looking means waiting, so the figures are
copied in the background and looked at as they arrive, a few steps late; before a checkpoint is written all have been
looked at. So a checkpoint is always a good one.
"""

from __future__ import annotations

import math
import statistics
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
_WORSE_THAN_GUESSING = 10.0
_STEEP = 100.0  # a norm, and what it is of the median before
_LOOKED_BACK = 200  # updates
_FEWEST = 20  # updates, before anything is said of norms


@dataclass(frozen=True, slots=True)
class _Seen:
    moment: Moment
    figures: Tensor  # (3,) loss, loss on the tags and gradient norm, on the CPU once `arrived`
    arrived: Any  # a CUDA event, or None where the figures are there


class Watch:
    """Looks at loss and gradient norm of every step; `last_good` gives the newest checkpoint's step."""

    def __init__(self, settings: Settings, labels: int, last_good: Callable[[], int | None]) -> None:
        self._settings = settings
        self._last_good = last_good
        self._waiting: deque[_Seen] = deque()
        self._most = _WORSE_THAN_GUESSING * math.log(max(labels, 2))
        self._norms: deque[float] = deque(maxlen=_LOOKED_BACK)  # but of updates in a row
        self._bad_losses = self._steep_norms = 0  # in a row

    def see(self, moment: Moment, loss: Tensor, task_loss: Tensor, norm: Tensor) -> None:
        """Take in scalars (), of which `task_loss` is the part of the loss that knows the tags.

        Raises TargetFailed as soon as it is known that one is no finite number, or that one has exploded.
        """
        figures = [loss.detach().float(), task_loss.detach().float(), norm.float()]
        self._waiting.append(_sent(moment, torch.stack(figures)))
        while self._waiting and (len(self._waiting) > _LATE or _has_arrived(self._waiting[0])):
            self._look(self._waiting.popleft())

    def drain(self) -> None:
        """Look at all that is on its way."""
        while self._waiting:
            self._look(self._waiting.popleft())

    def _look(self, seen: _Seen) -> None:
        if seen.arrived is not None:
            seen.arrived.synchronize()
        loss, task_loss, norm = seen.figures.tolist()
        if not math.isfinite(loss):
            raise self._failure(f"the loss is {loss:g}", seen.moment)
        if not math.isfinite(norm):
            raise self._failure(f"the gradients have exploded: their norm is {norm:g}", seen.moment)
        if self._settings.explosion_patience:
            self._count(seen.moment, task_loss, norm)

    def _count(self, moment: Moment, task_loss: float, norm: float) -> None:
        """Go on with both rows, or end them; one that is long enough ends training."""
        patience = self._settings.explosion_patience
        self._bad_losses = self._bad_losses + 1 if task_loss > self._most else 0
        if self._bad_losses == patience:
            usual = f"{self._most:.3g}, ten times that of guessing"
            raise self._failure(
                f"the loss has exploded: for {patience} updates it was above {usual}; it is {task_loss:.3g}",
                moment,
                row=patience,
            )
        is_steep = norm > _STEEP and len(self._norms) >= _FEWEST and norm > _STEEP * statistics.median(self._norms)
        self._steep_norms = self._steep_norms + 1 if is_steep else 0
        if not is_steep:
            self._norms.append(norm)
        if self._steep_norms == patience:
            usual = f"100 times what it was before ({statistics.median(self._norms):.3g})"
            raise self._failure(
                f"the gradients have exploded: for {patience} updates their norm was above {usual}; it is {norm:.3g}",
                moment,
                row=patience,
            )

    def _failure(self, what: str, moment: Moment, row: int = 0) -> TargetFailed:
        """What to tell; an explosion was known only after a `row` of updates, and a checkpoint may lie within it."""
        step = self._last_good()
        kept = "there is no checkpoint yet" if step is None else f"the last good checkpoint is of step {step}"
        if step is not None and step > moment.step - row + 1:
            kept = f"the checkpoint of step {step} was written when that had begun"
        never = ", or, if this is as it should be, set `train.explosion_patience` to 0" if row else ""
        return TargetFailed(
            f"{what} at step {moment.step} (epoch {moment.epoch:.2f}); {kept}",
            hint=f"to go on with the same settings ends here again: {_remedy(self._settings)}{never}",
        )


def _remedy(settings: Settings) -> str:
    tries = ["lower the learning rate"]
    if not settings.max_grad_norm:
        tries.append("set `train.max_grad_norm` to 1.0")
    if not settings.warmup_steps and settings.lr_scheduler_type != "constant":  # which has no warm-up
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
