"""What `[train]` says, and what training makes of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sparsebuild.manifest import Train

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Train):
    """A key that is missing has its default, so that a new key with a default reruns nothing."""

    unlabelled_ratio: float = 1.0

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Settings:
        """The settings among `params`; other keys are somebody else's."""
        known = {field.name for field in fields(cls)}
        return cls(**{k: v for k, v in params.items() if k in known})

    @property
    def batch_size(self) -> int:
        """Sentences of one batch over all processes."""
        return self.per_device_train_batch_size * self.num_processes

    @property
    def mixed_precision(self) -> Literal["no", "bf16", "fp16"]:
        """As accelerate names it."""
        return "bf16" if self.bf16 else "fp16" if self.fp16 else "no"

    @property
    def prefers_greater(self) -> bool:
        """Whether more of `metric_for_best_model` is better."""
        return self.metric_for_best_model != "loss" if self.greater_is_better is None else self.greater_is_better

    def thread_count(self, recorded: int | None) -> int:
        """The threads of one process; `auto` is what an earlier try used, or its share of the cores there are."""
        if self.threads != "auto":
            return self.threads
        return recorded or max(1, len(os.sched_getaffinity(0)) // self.num_processes)
