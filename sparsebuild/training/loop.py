"""The training loop: a recipe's modifiers at their moments, exact to the bit after any stop.

Everything that decides an update is a pure function of the global step: the batch, the seed of dropout, the learning
rate, the masks' schedule, quantization. So a checkpoint holds tensors and a step, and nothing has to be replayed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsebuild import modifiers
from sparsebuild.errors import TargetFailed
from sparsebuild.modifiers.base import Attached, Batch, FileGrid, Modifier, Moment, Promise, Run
from sparsebuild.modifiers.held_masks import held_share, masks_of
from sparsebuild.modifiers.parameters import at_work
from sparsebuild.numerics.kernel_times import KernelTimes
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training import checkpoints
from sparsebuild.training.accelerators import Forward, accelerator_for
from sparsebuild.training.attention import use_cheap_dropout
from sparsebuild.training.batches import Corpus, batch_order, count_drawn, drawn, steps_per_epoch
from sparsebuild.training.curve import Means
from sparsebuild.training.determinism import seed_for_step
from sparsebuild.training.gradients import labelled_gradients
from sparsebuild.training.inputs import given
from sparsebuild.training.live_teacher import LiveTeacher
from sparsebuild.training.optimizer import adamw, load_optimizer, named_state
from sparsebuild.training.processes import Processes
from sparsebuild.training.quantization import quantized_modules
from sparsebuild.training.selection import Standing, figure_of, is_enough, judged, led, settles_at, structure_of
from sparsebuild.training.settings import Settings
from sparsebuild.training.shapes import Kept, cut
from sparsebuild.training.watch import Watch, is_out_of_memory, out_of_memory

__all__ = ["Trained", "Training", "train"]

_TALK_EVERY = 0.5  # seconds between two reports of progress
_SAVE_EVERY = 300.0  # seconds between two checkpoints within an epoch: what a stop costs at most
_clock = time.monotonic
_FEWEST = 2  # checkpoints that are kept in any case: one may be damaged


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
    trackers: Path  # where trackers that write files write them
    file_grid: FileGrid = field(default_factory=FileGrid)  # of the exported file
    facts: Mapping[str, Any]  # kept in each checkpoint
    progress: Callable[..., None]  # (done, total, unit, **fields)
    log: Callable[[str], None]
    kernel_times: KernelTimes | None = None  # where the recipe has a budget of time
    dense: Sequence[LayerShape] | None = None  # the layers before anything was cut, where the model arrives cut
    teacher: LiveTeacher | None = None  # where the recipe asks it at every step

    @property
    def sentences(self) -> int:
        """Labelled and drawn sentences of one epoch."""
        return count_drawn(self.corpus.labelled, self.corpus.pool, self.settings.unlabelled_ratio)

    @property
    def steps_per_epoch(self) -> int:
        return steps_per_epoch(self.sentences, self.settings.batch_size, self.settings.gradient_accumulation_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The end of training: the model as it is now, its masks, what it has to keep, and the curve.

    The last line of the curve tells of the model; each line is at a step, and those at the end of an epoch have the
    figures of the validation rows.
    """

    masks: Mapping[str, Tensor]
    mask_types: Mapping[str, str]  # parameter name to kind
    promises: Sequence[Promise]
    history: Sequence[Mapping[str, float]]

    def renamed(self, names: Mapping[str, str]) -> Trained:
        """The same of a model whose parameters and modules have new names; what has none is there no more."""
        return replace(
            self,
            masks={names[name]: mask for name, mask in self.masks.items() if name in names},
            mask_types={names[name]: kind for name, kind in self.mask_types.items() if name in names},
            promises=[_renamed(promise, names) for promise in self.promises],
        )


def train(training: Training) -> Trained:
    """Train to the end, from the newest checkpoint if there is one."""
    return _Loop(training).run()


class _Loop:
    """The state of one run of the loop."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.model = training.model
        sets_rate = modifiers.sets_learning_rate(training.specs)
        self.settings = replace(training.settings, lr_scheduler_type="constant") if sets_rate else training.settings
        self.per_epoch = training.steps_per_epoch
        self.accelerator = accelerator_for(self.settings, training.trackers)
        self.processes = Processes(self.accelerator.num_processes, self.accelerator.process_index)
        self.model.to(self.accelerator.device)
        if self.accelerator.device.type == "cpu" and not self.settings.torch_compile:
            use_cheap_dropout(self.model)
        self.forward = Forward(self.model, is_compiled=self.settings.torch_compile)
        self.optimizer = adamw(self.model, self.settings)
        self.wants_hidden = training.has_teacher and modifiers.needs_hidden_states(training.specs)
        self.base_rates = _Rates(self.settings, self.per_epoch * training.epochs)
        run = Run(
            model=self.model,
            optimizer=self.optimizer,
            steps_per_epoch=self.per_epoch,
            epochs=training.epochs,
            specs=training.specs,
            has_teacher=training.has_teacher,
            file_grid=training.file_grid,
            log=training.log,
            progress=self._aside,
            gradients=labelled_gradients(
                self.model,
                training.corpus,
                _task_loss,
                self.settings.batch_size,
                self.settings.seed,
            ),
            cut=self._cut,
            kernel_times=training.kernel_times,
            dense=training.dense,
            teacher=training.teacher,
        )
        self.attached: list[Attached] = [spec.attach(run) for spec in training.specs]
        holds_masks = [type(a).masks is not Attached.masks for a in self.attached]
        self.settles_at = settles_at(training.specs, holds_masks, training.epochs)
        labels = self.model.config.num_labels
        self.watch = Watch(self.settings, labels, lambda: _step_of(checkpoints.newest(training.checkpoints)))
        self.history: list[Mapping[str, float]] = []
        self.since_line, self.since_epoch = Means(), Means()
        self.standing = Standing()
        self.is_stopped = False
        self.shown: dict[str, float] = {}
        self.pace = _Pace()
        self.saved = _clock()

    def run(self) -> Trained:
        first = self._resume()
        for epoch in range(first // self.per_epoch, self.training.epochs):
            if self.is_stopped:
                break
            self._epoch(epoch, done=max(0, first - epoch * self.per_epoch))
        promises = [promise for attached in self.attached for promise in attached.promises()]
        masks, kinds = self._chosen(), self._mask_types()
        trained = Trained(masks=masks, mask_types=kinds, promises=promises, history=self.history)
        self.training.log(self.pace.told())
        self.accelerator.end_training()
        return trained

    # ---- one epoch, one update

    def _epoch(self, epoch: int, done: int) -> None:
        self.model.train()
        for k, batches in enumerate(self._updates(epoch, done), done):
            moment = self._moment(epoch * self.per_epoch + k)
            losses = self._guarded(moment, batches)
            self.since_line.add(losses)
            self.since_epoch.add(losses)
            self._talk(moment, losses["loss"])
            if k + 1 < self.per_epoch:
                self._between(self._moment(moment.step + 1))
        self._finish_epoch(self._moment((epoch + 1) * self.per_epoch))

    def _updates(self, epoch: int, done: int) -> Iterator[list[Batch]]:
        """The batches of each optimizer update but the first `done`."""
        corpus, settings = self.training.corpus, self.settings
        chosen = drawn(corpus.labelled, corpus.pool, settings.unlabelled_ratio, settings.seed, epoch)
        lengths = corpus.lengths[chosen]
        order = batch_order(lengths.tolist(), settings.batch_size, settings.seed, epoch)
        step = settings.gradient_accumulation_steps
        for start in range(done * step, len(order), step):
            several = order[start : start + step]
            self.pace.pieces += sum(int(lengths[rows].sum()) for rows in several)
            device = self.accelerator.device
            yield [corpus.batch([chosen[i] for i in rows]).to(device) for rows in several]

    def _guarded(self, moment: Moment, batches: Sequence[Batch]) -> dict[str, Tensor]:
        try:
            return self._update(moment, batches)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            largest = max(batches, key=lambda b: b.input_ids.numel())
            raise out_of_memory(largest, moment, _step_of(checkpoints.newest(self.training.checkpoints))) from error

    def _update(self, moment: Moment, batches: Sequence[Batch]) -> dict[str, Tensor]:
        seed_for_step(self.settings.seed, moment.step, self.processes.rank)
        self.base_rates.set(self.optimizer, moment.step)
        for attached in self.attached:
            attached.before_step(moment)
        losses = _means([self._backward(moment, batch, len(batches)) for batch in batches])
        self.processes.sum_gradients(self.model)
        self._step(moment, losses["loss"], losses.get("task_loss", losses["loss"]))
        self.optimizer.zero_grad(set_to_none=True)
        for attached in self.attached:
            attached.after_optimizer(moment)
        return losses

    def _backward(self, moment: Moment, batch: Batch, count: int) -> dict[str, Tensor]:
        """Add up gradients; the loss and its parts."""
        with self.accelerator.autocast():
            part = self.processes.part(batch)
            outputs = self.forward(**given(self.model, part), output_hidden_states=self.wants_hidden)
            outputs = self.processes.whole(outputs, batch)
            loss = task_loss = _task_loss(outputs.logits, batch.labels)
            parts: dict[str, Tensor] = {}
            for attached in self.attached:
                loss = attached.on_loss(moment, batch, outputs, loss)
                parts |= attached.parts()
        self.accelerator.backward(loss / count)
        if loss is not task_loss:
            parts["task_loss"] = task_loss
        return {"loss": loss.detach(), **{name: part.detach() for name, part in parts.items()}}

    def _step(self, moment: Moment, loss: Tensor, task_loss: Tensor) -> None:
        """Move the weights, unless something is wrong; under fp16 the scaler leaves steps out, and that is right."""
        scaler = self.accelerator.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        self.watch.see(moment, loss, task_loss, norm if scaler is None else torch.zeros_like(norm))
        if self.settings.max_grad_norm:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.settings.max_grad_norm, norm)
        for attached in self.attached:
            attached.before_optimizer(moment)
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            scaler.update()

    def _cut(self, kept: Kept) -> None:
        """Slice the model and all that has its shapes; a mask whose zeros lie in a pattern cannot follow."""
        patterned = {n: kind for n, kind in self._mask_types().items() if n in kept and kind != "unstructured"}
        if patterned:
            name, kind = next(iter(patterned.items()))
            raise TargetFailed(
                f"heads or neurons of `{name}` are to be cut, whose zeros lie as `mask_type: {kind}` says",
                hint="cut before weights are pruned in patterns",
            )
        cut(self.model, kept, self.optimizer)
        for attached in self.attached:
            attached.on_cut(kept)

    # ---- between updates and epochs

    def _between(self, after: Moment) -> None:
        if after.step % self.settings.logging_steps == 0:
            self._line({"epoch": after.epoch, "step": after.step, **self.since_line.take(), **self._figures()})
        if _clock() - self.saved >= _SAVE_EVERY:
            self._save(after)

    def _finish_epoch(self, after: Moment) -> None:
        is_last = after.step > after.last_step
        if is_last:  # what a recipe's last moment does must be seen by the last figures
            self._end()
        self.watch.drain()
        losses = {**self.since_line.take(), **self.since_epoch.take()}
        figures = {"epoch": after.step // self.per_epoch, "step": after.step, **losses, **self._figures()}
        if self.processes.is_first:
            figures |= self.training.validate(self.model)
            self._judge(after, figures)
        enough = float(is_enough(self.standing, self.settings))
        self.is_stopped = bool(self.processes.agreed(enough, self.accelerator.device)) and not is_last
        if self.is_stopped:
            self._end()
            self.training.log(f"ended after epoch {figures['epoch']} of {self.training.epochs}: {self._no_better()}")
        self._line(figures)
        self.shown |= {k: v for k, v in figures.items() if k == "f1"}
        self._save(after)

    def _end(self) -> None:
        for attached in self.attached:
            attached.on_end()

    def _judge(self, after: Moment, figures: Mapping[str, float]) -> None:
        """Compare this epoch with the best one, and keep its model if it is better and wanted."""
        settings = self.settings
        if not settings.load_best_model_at_end and settings.early_stopping_patience is None:
            return
        masks = self._masks()
        zeros = {name: int((mask == 0).sum()) for name, mask in masks.items()}
        quantized = (name for name, _ in quantized_modules(self.model))
        still = led(self.training.specs, after.step // self.per_epoch, self.training.epochs)
        self.standing = judged(
            self.standing,
            settings,
            step=after.step,
            value=figure_of(figures, settings),
            structure=structure_of(zeros, quantized, self._sizes(), still),
            is_settled=after.epoch >= self.settles_at,
        )
        if settings.load_best_model_at_end and self.standing.step == after.step:
            kept = checkpoints.Checkpoint(step=after.step, model=self.model.state_dict(), modifiers=masks)
            checkpoints.save_best(self.training.checkpoints, kept)

    def _sizes(self) -> dict[str, int]:
        """How many weights each parameter has, of layers that are not left out."""
        sizes = {name: p.numel() for name, p in self.model.named_parameters()}
        return {name: sizes[name] for name in at_work(self.model, sizes)}

    def _no_better(self) -> str:
        best, metric = self.standing, self.settings.metric_for_best_model
        epoch, waited = (best.step or 0) // self.per_epoch, f"{best.waited} epoch{'s' if best.waited > 1 else ''}"
        return f"{metric} was no better for {waited} than {best.value:.4f} after epoch {epoch}"

    def _chosen(self) -> Mapping[str, Tensor]:
        """Bring back the model of the best epoch where that is asked for; the masks of the model that there now is."""
        step = self.standing.step
        if not self.settings.load_best_model_at_end or step is None or not self.processes.is_first:
            return self._masks()
        saved = checkpoints.best(self.training.checkpoints, step)
        if saved is None:
            raise TargetFailed("the model of the best epoch was damaged", hint="run again: it is made again")
        line = next(line for line in self.history if line["step"] == step)
        self.training.log(f"the model is that of epoch {line['epoch']}, the best by {_told(line, self.settings)}")
        self.model.load_state_dict(saved.model, strict=True)
        if line is not self.history[-1]:
            self._line({**line, "best_epoch": line["epoch"]})
        return saved.modifiers

    # ---- checkpoints

    def _save(self, after: Moment) -> None:
        self.saved = _clock()
        if not self.processes.is_first:
            return
        self.watch.drain()
        scaler = self.accelerator.scaler
        facts = {
            "history": self.history,
            "since_line": self.since_line.to_json(),
            "since_epoch": self.since_epoch.to_json(),
            "standing": self.standing.to_json(),
            "best_step": self.standing.step if self.settings.load_best_model_at_end else None,
            "is_stopped": self.is_stopped,
            "scaler": scaler.state_dict() if scaler else None,
        }
        saved = checkpoints.Checkpoint(
            step=after.step,
            model=self.model.state_dict(),
            optimizer=named_state(self.model, self.optimizer),
            modifiers={f"{i}.{k}": v for i, a in enumerate(self.attached) for k, v in a.state().items()},
            facts={**self.training.facts, **facts},
        )
        checkpoints.save(self.training.checkpoints, saved, keep=max(self.settings.save_total_limit, _FEWEST))

    def _resume(self) -> int:
        """Take the newest checkpoint back and return its step, or 0."""
        saved = checkpoints.newest(self.training.checkpoints, self._passed_over)
        if saved is None:
            return 0
        moment = self._moment(saved.step)
        for i, attached in enumerate(self.attached):  # classes are swapped before weights and observers are loaded
            mine = {k.partition(".")[2]: v for k, v in saved.modifiers.items() if k.partition(".")[0] == str(i)}
            attached.restore(moment, mine)
        self.model.load_state_dict(saved.model, strict=True)
        load_optimizer(self.model, self.optimizer, saved.optimizer)
        self._take_back(saved.facts)
        epoch, steps = divmod(saved.step, self.per_epoch)
        within = f" and {steps} of {self.per_epoch} steps" if steps else ""
        self.training.log(f"continuing after epoch {epoch} of {self.training.epochs}{within} (step {saved.step})")
        return saved.step

    def _take_back(self, facts: Mapping[str, Any]) -> None:
        device = self.accelerator.device
        self.history = list(facts["history"])
        self.since_line.restore(facts["since_line"], device)
        self.since_epoch.restore(facts["since_epoch"], device)
        self.standing = Standing(**facts["standing"])
        self.is_stopped = facts["is_stopped"]
        if facts["scaler"]:
            self.accelerator.scaler.load_state_dict(facts["scaler"])
        if facts.get("cpu") != self.training.facts.get("cpu"):
            self.training.log(
                f"the checkpoint was made on another kind of CPU ({facts.get('cpu')}): what comes out is right, but "
                "not to the bit what one of them alone would give"
            )

    def _passed_over(self, step: int) -> None:
        self.training.log(f"the checkpoint of step {step} is damaged, or the best model that it names is")

    # ---- figures

    def _line(self, figures: Mapping[str, float]) -> None:
        self.history.append(figures)
        if self.settings.report_to:
            self.accelerator.log(dict(figures), step=int(figures["step"]))

    def _figures(self) -> dict[str, float]:
        found: dict[str, float] = {"learning_rate": float(self.optimizer.param_groups[0]["lr"])}
        for attached in self.attached:
            if attached.zeros() and "sparsity" not in found:
                found["sparsity"] = held_share(self.model, self.attached)
            found |= attached.figures()
        return found

    def _talk(self, moment: Moment, loss: Tensor) -> None:
        done, total = moment.step + 1, moment.last_step + 1
        if not self.pace.is_due() and done < total:
            return
        fields = {"epoch": moment.epoch, "loss": float(loss), **self._figures(), **self.shown}
        self.training.progress(done, total, "steps", **fields, tokens_per_s=self.pace.talk())

    def _aside(self, done: int, total: int, unit: str) -> None:
        """How far a modifier is with what it does between two steps, and takes long for."""
        if self.pace.is_due():
            self.pace.talk()
            self.training.progress(done, total, unit)

    def _masks(self) -> dict[str, Tensor]:
        return masks_of(self.attached)

    def _mask_types(self) -> dict[str, str]:
        """The kind of each mask in force; where modifiers of different kinds hold one parameter there is none left."""
        together: dict[str, str] = {}
        for attached in self.attached:
            for name, kind in attached.mask_types().items():
                together[name] = kind if together.get(name, kind) == kind else "unstructured"
        return together

    def _moment(self, step: int) -> Moment:
        return Moment(step=step, steps_per_epoch=self.per_epoch, epochs=self.training.epochs)


class _Pace:
    """How fast pieces are read. Told to people only: what training leaves is the same each time."""

    def __init__(self) -> None:
        self.pieces = 0
        self._began = _clock()
        self._talked, self._pieces = -math.inf, 0

    def is_due(self) -> bool:
        return _clock() - self._talked >= _TALK_EVERY

    def talk(self) -> float:
        """Pieces a second since the last talk."""
        now = _clock()
        rate = (self.pieces - self._pieces) / max(now - max(self._talked, self._began), 1e-9)
        self._talked, self._pieces = now, self.pieces
        return round(rate, 1)

    def told(self) -> str:
        seconds = _clock() - self._began
        return f"{self.pieces:,} pieces were read, {self.pieces / max(seconds, 1e-9):,.0f} a second"


@dataclass(frozen=True, slots=True)
class _Rates:
    """The learning rate of `[train]`, which holds where no modifier of the recipe sets one.

    A recipe with a schedule of its own replaces the one of `[train]`: before it begins the rate is constant.
    """

    settings: Settings
    steps: int

    def set(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] = self.at(step)

    def at(self, step: int) -> float:
        """Warm-up from 0, then as `lr_scheduler_type` says; transformers' schedules of the same names.

        As there, a constant rate has no warm-up.
        """
        warmup, peak, kind = self.settings.warmup_steps, self.settings.learning_rate, self.settings.lr_scheduler_type
        if kind == "constant":
            return peak
        if step < warmup:
            return peak * step / warmup
        x = (step - warmup) / max(1, self.steps - warmup)
        return peak * (1 - x) if kind == "linear" else peak * (1 + math.cos(math.pi * x)) / 2


def _task_loss(
    logits: Tensor,  # (b, s, labels)
    labels: Tensor,  # (b, s), -100 where there is none
) -> Tensor:  # () mean cross-entropy over labelled pieces, in nats; 0 for a batch without any
    # Not `logits[known]`: to know how many those are a GPU has to be waited for.
    total = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100, reduction="sum")
    return total / (labels != -100).sum().clamp(min=1)


def _renamed(promise: Promise, names: Mapping[str, str]) -> Promise:
    return replace(
        promise,
        parameters=tuple(names[name] for name in promise.parameters if name in names),
        modules=tuple(names[name] for name in promise.modules if name in names),
        shapes={names[name]: shape for name, shape in promise.shapes.items() if name in names},
    )


def _means(several: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The means over the batches of one update."""
    return {name: torch.stack([losses[name] for losses in several]).mean() for name in several[0]}


def _step_of(saved: checkpoints.Checkpoint | None) -> int | None:
    return saved.step if saved else None


def _told(line: Mapping[str, float], settings: Settings) -> str:
    return f"{settings.metric_for_best_model} ({figure_of(line, settings):.4f})"
