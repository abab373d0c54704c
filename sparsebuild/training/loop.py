"""The training loop: a recipe's modifiers at their moments, exact to the bit after any stop.

Everything that decides an update is a pure function of the global step: the batch, the seed of dropout, the learning
rate, the masks' schedule, quantization. So a checkpoint holds tensors and a step, and nothing has to be replayed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsebuild import modifiers
from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Batch, Modifier, Moment, Run
from sparsebuild.training import checkpoints
from sparsebuild.training.batches import Corpus, batch_order, drawn, steps_per_epoch
from sparsebuild.training.determinism import seed_for_step
from sparsebuild.training.gradients import labelled_gradients
from sparsebuild.training.optimizer import adamw, load_optimizer, named_state
from sparsebuild.training.settings import Settings

__all__ = ["Trained", "Training", "train"]

_TALK_EVERY = 0.5  # seconds between two reports of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """One question that training answers, and whom it tells."""

    model: Any  # a token classifier of transformers, dropout as it should be
    corpus: Corpus
    specs: Sequence[Modifier]
    settings: Settings
    epochs: int
    has_teacher: bool
    validate: Callable[[Any], Mapping[str, float]]  # figures of the model after an epoch
    checkpoints: Path
    facts: Mapping[str, Any]  # kept in each checkpoint
    progress: Callable[..., None]  # (done, total, unit, **fields)
    log: Callable[[str], None]

    @property
    def sentences(self) -> int:
        """Labelled and drawn sentences of one epoch."""
        return len(drawn(self.corpus.labelled, self.corpus.pool, self.settings.unlabelled_ratio, 0, 0))

    @property
    def steps_per_epoch(self) -> int:
        size = self.settings.per_device_train_batch_size
        return steps_per_epoch(self.sentences, size, self.settings.gradient_accumulation_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The end of training: the model as it is now, its masks, and a line of figures for each epoch."""

    masks: Mapping[str, Tensor]
    mask_types: Mapping[str, str]  # parameter name to kind
    history: Sequence[Mapping[str, float]]


def train(training: Training) -> Trained:
    """Train to the end, from the newest checkpoint if there is one."""
    return _Loop(training).run()


class _Loop:
    """The state of one run of the loop."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.model = training.model
        self.settings = training.settings
        self.per_epoch = training.steps_per_epoch
        self.accelerator = _accelerator(self.settings)
        self.model.to(self.accelerator.device)
        self.optimizer = adamw(self.model, self.settings)
        self.wants_hidden = training.has_teacher and modifiers.needs_hidden_states(training.specs)
        kind = "constant" if modifiers.sets_learning_rate(training.specs) else self.settings.lr_scheduler_type
        self.base_rates = _Rates(self.settings, kind, self.per_epoch * training.epochs)
        run = Run(
            model=self.model,
            optimizer=self.optimizer,
            steps_per_epoch=self.per_epoch,
            epochs=training.epochs,
            has_teacher=training.has_teacher,
            log=training.log,
            gradients=labelled_gradients(
                self.model,
                training.corpus,
                _task_loss,
                self.settings.per_device_train_batch_size,
                self.settings.seed,
            ),
        )
        self.attached: list[Attached] = [spec.attach(run) for spec in training.specs]
        self.history: list[Mapping[str, float]] = []
        self.shown: dict[str, float] = {}
        self.talked = -math.inf

    def run(self) -> Trained:
        first = self._resume()
        for epoch in range(first // self.per_epoch, self.training.epochs):
            self._epoch(epoch)
        return Trained(masks=self._masks(), mask_types=self._mask_types(), history=self.history)

    # ---- one epoch, one update

    def _epoch(self, epoch: int) -> None:
        self.model.train()
        total = torch.zeros((), dtype=torch.float64)
        for k, batches in enumerate(self._updates(epoch)):
            moment = self._moment(epoch * self.per_epoch + k)
            loss = self._update(moment, batches)
            _refuse_non_finite(loss, moment, self.training.checkpoints)
            total += loss.double()
            self._talk(moment, loss)
        after = self._moment((epoch + 1) * self.per_epoch)
        self._finish_epoch(after, float(total / self.per_epoch))

    def _updates(self, epoch: int) -> Iterator[list[Batch]]:
        """The batches of each optimizer update."""
        corpus, settings = self.training.corpus, self.settings
        chosen = drawn(corpus.labelled, corpus.pool, settings.unlabelled_ratio, settings.seed, epoch)
        lengths = corpus.lengths[chosen]
        order = batch_order(lengths.tolist(), settings.per_device_train_batch_size, settings.seed, epoch)
        step = settings.gradient_accumulation_steps
        for start in range(0, len(order), step):
            device = self.accelerator.device
            yield [corpus.batch([chosen[i] for i in rows]).to(device) for rows in order[start : start + step]]

    def _update(self, moment: Moment, batches: Sequence[Batch]) -> Tensor:
        seed_for_step(self.settings.seed, moment.step)
        self.base_rates.set(self.optimizer, moment.step)
        for attached in self.attached:
            attached.before_step(moment)
        losses = [self._backward(moment, batch, len(batches)) for batch in batches]
        if self.settings.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        for attached in self.attached:
            attached.before_optimizer(moment)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        for attached in self.attached:
            attached.after_optimizer(moment)
        return torch.stack(losses).mean()

    def _backward(self, moment: Moment, batch: Batch, count: int) -> Tensor:
        with self.accelerator.autocast():
            outputs = self.model(**batch.model_inputs, output_hidden_states=self.wants_hidden)
            loss = _task_loss(outputs.logits, batch.labels)
            for attached in self.attached:
                loss = attached.on_loss(moment, batch, outputs, loss)
        self.accelerator.backward(loss / count)
        return loss.detach()

    # ---- between epochs

    def _finish_epoch(self, after: Moment, loss: float) -> None:
        if after.step > after.last_step:  # what a recipe's last moment does must be seen by the last figures
            for attached in self.attached:
                attached.on_end()
        figures = {"epoch": after.step // self.per_epoch, "step": after.step, "loss": loss, **self._figures()}
        figures |= self.training.validate(self.model)
        self.history.append(figures)
        self.shown |= {k: v for k, v in figures.items() if k == "f1"}
        self._save(after)

    def _save(self, after: Moment) -> None:
        modifiers = {f"{i}.{k}": v for i, a in enumerate(self.attached) for k, v in a.state().items()}
        saved = checkpoints.Checkpoint(
            step=after.step,
            model=self.model.state_dict(),
            optimizer=named_state(self.model, self.optimizer),
            modifiers=modifiers,
            facts={**self.training.facts, "history": self.history},
        )
        checkpoints.save(self.training.checkpoints, saved, keep=self.settings.save_total_limit)

    def _resume(self) -> int:
        """Take the newest checkpoint back and return its step, or 0."""
        saved = checkpoints.newest(self.training.checkpoints)
        if saved is None:
            return 0
        moment = self._moment(saved.step)
        for i, attached in enumerate(self.attached):  # classes are swapped before weights and observers are loaded
            mine = {k.partition(".")[2]: v for k, v in saved.modifiers.items() if k.partition(".")[0] == str(i)}
            attached.restore(moment, mine)
        self.model.load_state_dict(saved.model, strict=True)
        load_optimizer(self.model, self.optimizer, saved.optimizer)
        self.history = list(saved.facts["history"])
        self.training.log(
            f"continuing after epoch {saved.step // self.per_epoch} of {self.training.epochs} (step {saved.step})"
        )
        return saved.step

    # ---- figures

    def _figures(self) -> dict[str, float]:
        found: dict[str, float] = {"learning_rate": float(self.optimizer.param_groups[0]["lr"])}
        for attached in self.attached:
            found |= attached.figures()
        return found

    def _talk(self, moment: Moment, loss: Tensor) -> None:
        now = time.monotonic()
        done, total = moment.step + 1, moment.last_step + 1
        if now - self.talked < _TALK_EVERY and done < total:
            return
        self.talked = now
        fields = {"epoch": moment.epoch, "loss": float(loss), **self._figures(), **self.shown}
        self.training.progress(done, total, "steps", **fields)

    def _masks(self) -> dict[str, Tensor]:
        """All masks in force: a weight is held at zero if any modifier holds it."""
        together: dict[str, Tensor] = {}
        for attached in self.attached:
            for name, mask in attached.masks().items():
                together[name] = together[name] * mask if name in together else mask
        return together

    def _mask_types(self) -> dict[str, str]:
        """The kind of each mask in force; where modifiers of different kinds hold one parameter there is none left."""
        together: dict[str, str] = {}
        for attached in self.attached:
            for name, kind in attached.mask_types().items():
                together[name] = kind if together.get(name, kind) == kind else "unstructured"
        return together

    def _moment(self, step: int) -> Moment:
        return Moment(step=step, steps_per_epoch=self.per_epoch, epochs=self.training.epochs)


@dataclass(frozen=True, slots=True)
class _Rates:
    """The learning rate of `[train]`, which holds where no modifier of the recipe sets one.

    A recipe with a schedule of its own replaces the one of `[train]`: before it begins the rate is constant.
    """

    settings: Settings
    kind: str
    steps: int

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = self.at(step)

    def at(self, step: int) -> float:
        """Warm-up from 0, then as `lr_scheduler_type` says; transformers' schedules of the same names."""
        warmup, peak = self.settings.warmup_steps, self.settings.learning_rate
        if self.kind == "constant":
            return peak
        if step < warmup:
            return peak * step / warmup
        x = (step - warmup) / max(1, self.steps - warmup)
        return peak * (1 - x) if self.kind == "linear" else peak * (1 + math.cos(math.pi * x)) / 2


def _task_loss(
    logits: Tensor,  # (b, s, labels)
    labels: Tensor,  # (b, s), -100 where there is none
) -> Tensor:  # () mean cross-entropy over labelled pieces, in nats; 0 for a batch without any
    known = labels != -100
    return F.cross_entropy(logits[known].float(), labels[known], reduction="sum") / known.sum().clamp(min=1)


def _refuse_non_finite(loss: Tensor, moment: Moment, folder: Path) -> None:
    if not math.isfinite(float(loss)):
        saved = checkpoints.newest(folder)
        kept = f"; the last good checkpoint is of step {saved.step}" if saved else ""
        raise TargetFailed(
            f"the loss is {float(loss)} at step {moment.step} (epoch {moment.epoch:.2f}){kept}",
            hint="lower the learning rate, or set train.max_grad_norm",
        )


def _accelerator(settings: Settings) -> Any:
    """Device, mixed precision and backward pass; accelerate's state is the process's, which may train twice."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # a teacher in float32 may have come before a student in bfloat16
    return Accelerator(mixed_precision="bf16" if settings.bf16 else "no", cpu=not torch.cuda.is_available())
