"""A training loop of a few lines around a two-layer random model: right for mechanics, and proof of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from sparsebuild import modifiers, recipe
from sparsebuild.modifiers.base import Batch, FileGrid, Modifier, Moment, Run
from sparsebuild.modifiers.held_masks import held_share
from sparsebuild.training import shapes
from sparsebuild.training.live_teacher import LiveTeacher


def tiny_model() -> Any:
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        num_labels=3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForTokenClassification(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "query.weight" in name or "intermediate.dense.weight" in name:
                weight[:, ::4] = 0.0  # a quarter, for modifiers that look for zeros
    return model


def tiny_teacher() -> LiveTeacher:
    """Deeper and wider than the student; its labels stand in another order."""
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=60,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=20,
        max_position_embeddings=16,
        num_labels=3,
    )
    return LiveTeacher(BertForTokenClassification(config), [2, 0, 1])


def batch_at(step: int) -> Batch:
    """Three sentences of 3 to 7 pieces, with a teacher's answers; the same at every call."""
    draw = torch.Generator().manual_seed(step)
    lengths = torch.randint(3, 8, (3,), generator=draw)
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    shape, pieces = mask.shape, int(mask.sum())
    words = (torch.rand(shape, generator=draw) < 0.7) & mask.bool()
    words[:, 1] = True
    return Batch(
        input_ids=torch.randint(1, 60, shape, generator=draw) * mask,
        attention_mask=mask,
        token_type_ids=torch.zeros_like(mask),
        labels=torch.where(words, torch.randint(0, 3, shape, generator=draw), -100),
        words=words,
        teacher_logits=torch.randn(pieces, 3, generator=draw),
        teacher_hidden=torch.randn(2, pieces, 16, generator=draw),
    )


def task_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())


class Training:
    """The loop of modifiers/base.py, step by step. `log` keeps what modifiers say."""

    def __init__(
        self,
        specs: tuple[Modifier, ...],
        per_epoch: int,
        epochs: int,
        model: Any,
        has_teacher: bool,
        file_grid: FileGrid | None,
    ) -> None:
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
        self.per_epoch, self.epochs = per_epoch, epochs
        self.log: list[str] = []
        self.progress: list[tuple[int, int, str]] = []
        self.teacher = tiny_teacher() if has_teacher and modifiers.needs_live_teacher(specs) else None
        run = Run(
            model=model,
            optimizer=self.optimizer,
            steps_per_epoch=per_epoch,
            epochs=epochs,
            specs=specs,
            has_teacher=has_teacher,
            file_grid=file_grid or FileGrid(),
            log=self.log.append,
            progress=lambda *told: self.progress.append(told),
            gradients=self.gradients,
            cut=self.cut,
            teacher=self.teacher,
        )
        self.attached = [spec.attach(run) for spec in specs]
        self.rates: list[float] = []
        self.losses: list[float] = []

    def moment(self, step: int) -> Moment:
        return Moment(step=step, steps_per_epoch=self.per_epoch, epochs=self.epochs)

    def run(self, first: int = 0, last: int | None = None, *, end: bool = True) -> Training:
        """Steps `first` to before `last`, or to the end of training."""
        self.model.train()
        for step in range(first, self.per_epoch * self.epochs if last is None else last):
            self.step(self.moment(step))
        for attached in self.attached if last is None and end else ():
            attached.on_end()
        return self

    def step(self, moment: Moment) -> None:
        batch = batch_at(moment.step)
        for attached in self.attached:
            attached.before_step(moment)
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        outputs = self.model(**batch.model_inputs, output_hidden_states=True)
        loss = task_loss(outputs.logits, batch.labels)
        for attached in self.attached:
            loss = attached.on_loss(moment, batch, outputs, loss)
        self.losses.append(float(loss.detach()))
        loss.backward()
        for attached in self.attached:
            attached.before_optimizer(moment)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for attached in self.attached:
            attached.after_optimizer(moment)

    def cut(self, kept: Any) -> None:
        shapes.cut(self.model, kept, self.optimizer)
        for attached in self.attached:
            attached.on_cut(kept)

    def gradients(self, weights: Any, *, key: int, count: int | None, size: int | None) -> Iterator[Any]:
        self.model.eval()
        for i in range(5 if count is None else count):
            batch = batch_at(1000 + 100 * key + i)
            yield torch.autograd.grad(task_loss(self.model(**batch.model_inputs).logits, batch.labels), weights)
        self.model.train()

    def saved(self) -> dict[str, Any]:
        """What a checkpoint holds, as copies."""
        return {
            "modifiers": [{k: v.clone() for k, v in a.state().items()} for a in self.attached],
            "model": {k: v.clone() for k, v in self.model.state_dict().items()},
            "optimizer": {i: {k: v.clone() for k, v in s.items()} for i, s in self._moments().items()},
        }

    def restore(self, step: int, saved: dict[str, Any]) -> Training:
        for attached, state in zip(self.attached, saved["modifiers"], strict=True):
            attached.restore(self.moment(step), state)
        self.model.load_state_dict(saved["model"], strict=True)
        parameters = list(self.model.parameters())
        for i, state in saved["optimizer"].items():
            self.optimizer.state[parameters[i]] = {k: v.clone() for k, v in state.items()}
        return self

    def masks(self) -> dict[str, torch.Tensor]:
        return {name: mask for attached in self.attached for name, mask in attached.masks().items()}

    def figures(self) -> dict[str, float]:
        shown = {k: v for attached in self.attached for k, v in attached.figures().items()}
        pruned = any(attached.zeros() for attached in self.attached)
        return shown | ({"sparsity": held_share(self.model, self.attached)} if pruned else {})

    def _moments(self) -> dict[int, Any]:
        state = self.optimizer.state
        return {i: state[p] for i, p in enumerate(self.model.parameters()) if p in state}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors are not worth waking other threads for, and the order of sums stays the same."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def specs_of(text: str) -> tuple[Modifier, ...]:
    """The modifiers of a recipe's list, written without its key."""
    return modifiers.specs(recipe.resolve(recipe.read("modifiers:\n" + text, "r.yaml")))


@pytest.fixture
def specs() -> Callable[[str], tuple[Modifier, ...]]:
    return specs_of


@pytest.fixture
def model() -> Any:
    return tiny_model()


@pytest.fixture
def training(model: Any) -> Callable[..., Training]:
    """`training(recipe's list of modifiers, per_epoch=4, epochs=3)`."""

    def begin(
        text: str,
        per_epoch: int = 4,
        epochs: int = 3,
        has_teacher: bool = True,
        fresh: bool = False,
        file_grid: FileGrid | None = None,
    ) -> Training:
        return Training(specs_of(text), per_epoch, epochs, tiny_model() if fresh else model, has_teacher, file_grid)

    return begin


@pytest.fixture
def batch() -> Callable[[int], Batch]:
    return batch_at
