"""Quantization in training: modules that fake-quantize, by swapping the class of the modules that are there.

Parameters stay the same objects, so the optimizer's state survives, and a checkpoint has the float model's keys plus
the observers' buffers. Inputs of Linears are quantized (uint8, per tensor), weights too (int8, per output channel, or
per table for an Embedding), and the four operands of attention.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsebuild.errors import UserError
from sparsebuild.numerics.fake_quant import (
    activation_parameters,
    fake_quantize_activation,
    fake_quantize_weight,
    moving_average,
    weight_scale,
)
from sparsebuild.registry import did_you_mean
from sparsebuild.training.processes import widest

__all__ = [
    "EMBEDDING_LEVELS",
    "ActivationQuantizer",
    "QuantizedEmbedding",
    "QuantizedLinear",
    "freeze_observers",
    "is_quantized",
    "observers",
    "quantize",
    "quantized_attention",
    "quantized_modules",
]

EMBEDDING_LEVELS = 127  # tables are gathered, never multiplied as integers: 8 bits are safe on every CPU
ATTENTION = "sparsebuild_quantized"  # our name among transformers' attention functions
_MOMENTUM = 0.01
_OPERANDS = ("query_quantizer", "key_quantizer", "value_quantizer", "probability_quantizer")


class ActivationQuantizer(nn.Module):
    """Learns the range of what passes (moving average of min and max, in training mode only) and rounds to uint8."""

    lowest: Tensor  # () float32
    highest: Tensor  # () float32
    count: Tensor  # () int64, batches seen

    def __init__(self, fixed: tuple[float, float] | None = None) -> None:
        super().__init__()
        low, high = fixed or (0.0, 0.0)
        self.fixed = fixed is not None
        self.frozen = False
        self.register_buffer("lowest", torch.tensor(low))
        self.register_buffer("highest", torch.tensor(high))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not self.frozen and not self.fixed:
            self._observe(x.detach())
        scale, zero_point = activation_parameters(self.lowest, self.highest)
        return fake_quantize_activation(x, scale, zero_point)

    def _observe(self, x: Tensor) -> None:
        low, high = widest(*torch.aminmax(x.float()))  # under bf16 the range would itself be rounded
        moving_average(self.lowest, low, self.count, _MOMENTUM)
        moving_average(self.highest, high, self.count, _MOMENTUM)
        self.count += 1


class QuantizedLinear(nn.Linear):
    """A Linear whose input and weight are fake-quantized; made by `quantize`, never by its constructor."""

    input_quantizer: ActivationQuantizer
    weight_levels: int

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name is nn.Linear's
        scale = weight_scale(self.weight, self.weight_levels, per_channel=True)
        return F.linear(self.input_quantizer(input), fake_quantize_weight(self.weight, scale), self.bias)


class QuantizedEmbedding(nn.Embedding):
    """An Embedding whose rows are fake-quantized with the table's scale."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name is nn.Embedding's
        scale = weight_scale(self.weight, EMBEDDING_LEVELS, per_channel=False)
        # Gather first, then round: the same value, without a pass over the whole table.
        return fake_quantize_weight(F.embedding(input, self.weight, self.padding_idx), scale)


def quantize(
    model: nn.Module,
    *,
    submodules: Sequence[str] | None = None,
    exclude_module_types: Iterable[str] = (),
    embeddings: bool = True,
    attention: bool = True,
    weight_levels: int = 63,
) -> list[str]:
    """Swap classes in place and return the names of what is quantized; what is already quantized stays as it is.

    `submodules` are exact names; None means the whole model. Embeddings are taken wherever they lie. Raises UserError
    for a submodule that the model does not have.
    """
    _check_submodules(model, submodules)
    excluded = set(exclude_module_types)
    attends = False
    for name, module in list(model.named_modules()):
        if type(module).__name__ in excluded:
            continue
        inside = submodules is None or any(name == s or name.startswith(s + ".") for s in submodules)
        if inside and type(module) is nn.Linear:
            _quantize_linear(module, weight_levels)
        elif embeddings and type(module) is nn.Embedding:
            module.__class__ = QuantizedEmbedding
        elif inside and attention and _is_attention(module):
            _quantize_attention(module)
            attends = True
    if attends:
        _use_quantized_attention(model)
    return [name for name, _ in quantized_modules(model)]


def quantized_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every quantized Linear, Embedding and attention, by name."""
    for name, module in model.named_modules():
        if isinstance(module, QuantizedLinear | QuantizedEmbedding) or hasattr(module, _OPERANDS[0]):
            yield name, module


def observers(model: nn.Module) -> Iterator[tuple[str, ActivationQuantizer]]:
    """Every activation quantizer, by name."""
    for name, module in model.named_modules():
        if isinstance(module, ActivationQuantizer):
            yield name, module


def is_quantized(model: nn.Module) -> bool:
    """Whether anything in `model` fake-quantizes."""
    return next(quantized_modules(model), None) is not None


def freeze_observers(model: nn.Module) -> None:
    """Keep every range as it is from now on, the classifier's included."""
    for _, observer in observers(model):
        observer.frozen = True


def quantized_attention(
    module: Any,
    query: Tensor,  # (b, heads, s, width)
    key: Tensor,  # (b, heads, s, width)
    value: Tensor,  # (b, heads, s, width)
    attention_mask: Tensor | None,  # (b, 1, 1 or s, s) added to the scores
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:  # context (b, s, heads, width), probabilities (b, heads, s, s)
    """softmax(q·kᵀ·scaling + mask)·v with all four operands on the uint8 grid, as transformers calls it."""
    scale = query.size(-1) ** -0.5 if scaling is None else scaling
    scores = torch.matmul(module.query_quantizer(query), module.key_quantizer(key).transpose(2, 3)) * scale
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = F.dropout(F.softmax(scores, dim=-1), p=dropout, training=module.training)
    context = torch.matmul(module.probability_quantizer(probabilities), module.value_quantizer(value))
    return context.transpose(1, 2).contiguous(), probabilities


def _check_submodules(model: nn.Module, submodules: Sequence[str] | None) -> None:
    known = [name for name, _ in model.named_modules() if name]
    for name in submodules or ():
        if name not in known:
            near = did_you_mean(name, known) or f"the top ones are: {', '.join(n for n in known if '.' not in n)}"
            raise UserError(f"the recipe quantizes submodule `{name}`, which the model does not have", hint=near)


def _is_attention(module: nn.Module) -> bool:
    return type(module).__name__.endswith("SelfAttention") and hasattr(module, "scaling")


def _quantize_linear(module: nn.Linear, weight_levels: int) -> None:
    module.__class__ = QuantizedLinear
    assert isinstance(module, QuantizedLinear)
    module.weight_levels = weight_levels
    module.input_quantizer = ActivationQuantizer().to(module.weight.device)
    module.input_quantizer.train(module.training)


def _quantize_attention(module: nn.Module) -> None:
    if hasattr(module, _OPERANDS[0]):
        return
    device = next(module.parameters()).device
    for name in _OPERANDS:
        fixed = (0.0, 1.0) if name == "probability_quantizer" else None  # probabilities need no observing
        module.add_module(name, ActivationQuantizer(fixed).to(device).train(module.training))


def _use_quantized_attention(model: Any) -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(ATTENTION, quantized_attention)
    AttentionMaskInterface.register(ATTENTION, eager_mask)
    model.set_attn_implementation(ATTENTION)
