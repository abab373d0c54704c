"""What `[train]` says, as training reads it. Names and meanings are those of transformers' TrainingArguments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A key that is missing has its default, so that a new key with a default reruns nothing."""

    num_train_epochs: float = 3.0
    learning_rate: float = 5e-5
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = "linear"
    warmup_steps: int = 0
    per_device_train_batch_size: int = 32
    per_device_eval_batch_size: int = 64
    gradient_accumulation_steps: int = 1
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    explosion_patience: int = 20
    seed: int = 42
    dropout: float | None = None  # None: as the model's config says
    threads: int | Literal["auto"] = "auto"
    float32_matmul_precision: Literal["highest", "high", "medium"] = "highest"
    bf16: bool = False
    fp16: bool = False
    torch_compile: bool = False
    num_processes: int = 1
    logging_steps: int = 50
    report_to: Sequence[str] = ()
    save_total_limit: int = 2
    load_best_model_at_end: bool = False
    metric_for_best_model: Literal["f1", "precision", "recall", "accuracy", "loss"] = "f1"
    greater_is_better: bool | None = None  # None: of everything but a loss
    early_stopping_patience: int | None = None
    early_stopping_threshold: float = 0.0
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
