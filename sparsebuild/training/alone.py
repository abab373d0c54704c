"""One layer changed and the rest as it was: what pruning or quantizing it alone does to what a model says."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sparsebuild.numerics.fake_quant import (
    activation_parameters,
    fake_quantize_activation,
    fake_quantize_weight,
    weight_scale,
)
from sparsebuild.numerics.masks import magnitude_mask
from sparsebuild.numerics.quantization_scheme import EMBEDDING_LEVELS
from sparsebuild.training.structure import is_head

__all__ = ["Range", "covering", "input_ranges", "layers", "pruned_alone", "quantized_alone", "shift"]

Range = tuple[float, float]  # the lowest and the highest input that a Linear saw


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """What can be pruned or quantized, in the model's order: Linears but the classifier, and tables of embeddings."""
    found = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear | nn.Embedding)}
    return {name: m for name, m in found.items() if not is_head(f"{name}.weight")}


@contextlib.contextmanager
def input_ranges(model: nn.Module, into: dict[str, Range]) -> Iterator[None]:
    """Note the range of every Linear's input while the block runs the model."""

    def watch(name: str) -> Callable[..., None]:
        def note(module: nn.Module, given: tuple[Tensor, ...]) -> None:
            low, high = torch.aminmax(given[0].detach())
            known = into.get(name, (0.0, 0.0))
            into[name] = min(known[0], float(low)), max(known[1], float(high))

        return note

    hooks = [m.register_forward_pre_hook(watch(n)) for n, m in layers(model).items() if isinstance(m, nn.Linear)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def pruned_alone(module: nn.Module, share: float) -> Iterator[tuple[float, float]]:
    """The smallest `share` of the weights that are not zero is zero in the block; sparsity before and in it."""
    weight = _weight(module)
    size, zeros = weight.numel(), int((weight == 0).sum())
    wanted = (zeros + share * (size - zeros)) / size
    scores = torch.where(weight == 0, -1.0, weight.abs())
    with _replaced(weight, weight * magnitude_mask(scores, wanted)):
        yield zeros / size, float((weight == 0).float().mean())


@contextlib.contextmanager
def quantized_alone(module: nn.Module, seen: Range | None, levels: int) -> Iterator[None]:
    """The weights, and a Linear's input, are on their int8 grids in the block, as in training with quantization."""
    weight = _weight(module)
    is_table = isinstance(module, nn.Embedding)
    scale = weight_scale(weight, EMBEDDING_LEVELS if is_table else levels, per_channel=not is_table)
    hook = None
    if seen is not None:
        low, high = (torch.tensor(edge) for edge in seen)
        parameters = activation_parameters(low, high)
        hook = module.register_forward_pre_hook(lambda _, given: (fake_quantize_activation(given[0], *parameters),))
    try:
        with _replaced(weight, fake_quantize_weight(weight, scale)):
            yield
    finally:
        if hook:
            hook.remove()


def shift(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> float:
    """Mean over words of KL(before ‖ after), in nats: how far the answers move, long before an F1 does.

    Two lists of (words, labels) logits, a sentence each.
    """
    p, q = (torch.from_numpy(np.concatenate([rows for rows in said if len(rows)])).double() for said in (before, after))
    divergence = (p.softmax(-1) * (p.log_softmax(-1) - q.log_softmax(-1))).sum(-1)
    return max(float(divergence.mean()), 0.0)


def covering(model: nn.Module, kept: Mapping[str, nn.Module], left_out: Sequence[str]) -> list[str]:
    """The fewest submodules that hold all of `kept` and none of `left_out`, in the model's order."""

    def walk(name: str, module: nn.Module) -> Iterator[str]:
        inside = [k for k in kept if k == name or k.startswith(f"{name}.")] if name else list(kept)
        if not inside:
            return
        if name and not any(k == name or k.startswith(f"{name}.") for k in left_out):
            yield name
            return
        for child, inner in module.named_children():
            yield from walk(f"{name}.{child}" if name else child, inner)

    return list(walk("", model))


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


@contextlib.contextmanager
def _replaced(weight: Tensor, other: Tensor) -> Iterator[None]:
    """`weight` has the values of `other` in the block; the parameter stays the same object."""
    kept = weight.clone()
    weight.copy_(other)
    try:
        yield
    finally:
        weight.copy_(kept)
