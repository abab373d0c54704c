"""The tutorial's schedule in SparseML's manner, as far as it costs time; written after what SparseML 1.8 does.

Random batches padded to their longest sentence; the teacher asked at every step; masks applied by a hook before each
layer's call, by a hook on each gradient, after the optimizer's step, and taken anew each time; torch's own FakeQuantize
for weights and inputs of Linears and for embeddings; matrix products of MKL.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsebuild.modifiers.base import Batch
from sparsebuild.training.batches import Corpus

__all__ = ["OldManner", "random_batches"]

_TEMPERATURE = 2.0


def random_batches(corpus: Corpus, size: int, seed: int) -> Iterator[Batch]:
    """An epoch of sentences as they fall."""
    order = torch.randperm(corpus.labelled, generator=torch.Generator().manual_seed(seed)).tolist()
    for start in range(0, len(order), size):
        yield corpus.batch(order[start : start + size])


class OldManner:
    """A student that is trained the old way, hardness 1: it learns from its teacher alone."""

    def __init__(self, model: Any, *, is_quantized: bool) -> None:
        self.model = model.train()
        self.teacher = copy.deepcopy(model).eval()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-4)
        self.masked = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear) and "classifier" not in n}
        self.masks = {name: (module.weight != 0).float() for name, module in self.masked.items()}
        for name, module in self.masked.items():
            module.register_forward_pre_hook(partial(self._before_call, name))
            module.weight.register_hook(partial(self._on_gradient, name))
        if is_quantized:
            _fake_quantize(model)

    def step(self, batch: Batch) -> None:
        with torch.no_grad():
            wanted = self.teacher(**copy.deepcopy(batch.model_inputs)).logits
        said = self.model(**batch.model_inputs).logits
        log = F.log_softmax(said / _TEMPERATURE, dim=-1)
        wanted = F.softmax(wanted / _TEMPERATURE, dim=-1)
        loss = F.kl_div(log, wanted, reduction="sum") * _TEMPERATURE**2 / (said.numel() / said.shape[-1])
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for name, module in self.masked.items():  # taken anew from the weights, as ConstantPruning does it there
            self.masks[name] = (module.weight.detach() != 0).float()
        self.optimizer.step()
        self.optimizer.zero_grad()
        for name, module in self.masked.items():
            module.weight.data.mul_(self.masks[name])

    def _before_call(self, name: str, module: nn.Linear, inputs: Any) -> None:
        module.weight.data.mul_(self.masks[name])

    def _on_gradient(self, name: str, gradient: Tensor) -> Tensor:
        return gradient * self.masks[name]


def _fake_quantize(model: nn.Module) -> None:
    """Give Linears and embeddings torch's FakeQuantize, with moving averages that never stop."""
    from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver

    warnings.filterwarnings("ignore", module="torch.ao")

    def fake(*, of_weights: bool) -> nn.Module:
        kinds = (-128, 127, torch.qint8, torch.per_tensor_symmetric) if of_weights else (
            0, 255, torch.quint8, torch.per_tensor_affine
        )  # fmt: skip
        low, high, dtype, scheme = kinds
        return FakeQuantize(
            observer=MovingAverageMinMaxObserver, quant_min=low, quant_max=high, dtype=dtype, qscheme=scheme
        )

    for module in list(model.modules()):
        if isinstance(module, nn.Linear):
            module.of_input, module.of_weight = fake(of_weights=False), fake(of_weights=True)
            module.forward = partial(_linear, module)  # type: ignore[method-assign]
        elif isinstance(module, nn.Embedding):
            module.of_output, module.of_weight = fake(of_weights=False), fake(of_weights=True)
            module.forward = partial(_embedding, module)  # type: ignore[method-assign]


def _linear(module: Any, x: Tensor) -> Tensor:
    return F.linear(module.of_input(x), module.of_weight(module.weight), module.bias)


def _embedding(module: Any, ids: Tensor) -> Tensor:
    rows = F.embedding(ids, module.of_weight(module.weight), module.padding_idx)
    quantized: Tensor = module.of_output(rows)
    return quantized
