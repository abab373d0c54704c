"""What accelerate does for us: devices, mixed precision, the other processes, trackers. And compiling the model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sparsebuild.errors import UserError
from sparsebuild.training.settings import Settings

__all__ = ["Forward", "accelerator_for"]

_PATIENCE = timedelta(days=1)  # while the first process evaluates, the others wait for it


def accelerator_for(settings: Settings, trackers: Path) -> Any:
    """Accelerate's view of this process, which may train twice: a teacher in float32, then a student in bfloat16.

    Raises UserError for float16 without a GPU, and for a tracker whose package is missing.
    """
    from accelerate import Accelerator, InitProcessGroupKwargs
    from accelerate.state import AcceleratorState

    if settings.fp16 and not torch.cuda.is_available():
        raise UserError(
            "`train.fp16` needs a GPU, and there is none", hint="`train.bf16` halves the work on many CPUs too"
        )
    _check_trackers(settings.report_to)
    threads = torch.get_num_threads()
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision=settings.mixed_precision,
        cpu=not torch.cuda.is_available(),
        log_with=list(settings.report_to) or None,
        project_dir=trackers if settings.report_to else None,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    torch.set_num_threads(threads)  # accelerate has its own idea of them where there are several processes
    if settings.report_to:
        accelerator.init_trackers(trackers.name)
    return accelerator


class Forward:
    """Calls the model: as it is, or compiled, and then again whenever modules have become others."""

    def __init__(self, model: nn.Module, *, is_compiled: bool) -> None:
        self._model: Any = model
        self._is_compiled = is_compiled
        self._kinds: list[type] = []
        self._compiled: Any = None

    def __call__(self, **inputs: Any) -> Any:
        return self._callable()(**inputs)

    def _callable(self) -> Any:
        if not self._is_compiled:
            return self._model
        kinds = [type(module) for module in self._model.modules()]
        if kinds != self._kinds:  # quantization swaps classes under the compiler's feet
            torch.compiler.reset()
            self._kinds, self._compiled = kinds, torch.compile(self._model, dynamic=True)
        return self._compiled


def _check_trackers(asked: Sequence[str]) -> None:
    if not asked:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    there = {str(getattr(name, "value", name)) for name in get_available_trackers()}
    for name in asked:
        if name not in LOGGER_TYPE_TO_CLASS:
            known = ", ".join(sorted(str(getattr(k, "value", k)) for k in LOGGER_TYPE_TO_CLASS))
            raise UserError(
                f"`train.report_to` names `{name}`, which accelerate does not know", hint=f"there are: {known}"
            )
        if name not in there:
            raise UserError(
                f"`train.report_to` names `{name}`, whose package is not installed", hint=f"pip install {name}"
            )
