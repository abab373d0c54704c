"""Attention while training: its operands may be quantized, and its dropout is ours.

One is the attention of quantized models from then on, in evaluation and in the exported file as well. The other is that
of a float model that trains on a CPU: there torch's has no fused way with dropout, and what it does instead is slower.
In evaluation it is torch's own, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsebuild.numerics.dropout import dropout as cheap_dropout

__all__ = ["OPERANDS", "QUANTIZED", "quantized_attention", "use_cheap_dropout", "use_quantized_attention"]

QUANTIZED, _TRAINED = "sparsebuild_quantized", "sparsebuild_trained"  # our names among transformers' attentions
_TORCHS = "sdpa"
OPERANDS = ("query_quantizer", "key_quantizer", "value_quantizer", "probability_quantizer")


class _CheapDropout(nn.Dropout):
    """Made by `use_cheap_dropout`, never by its constructor."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name is nn.Dropout's
        return _dropout(input, self.p) if self.training else input


def use_cheap_dropout(model: Any) -> None:
    """Let `model`, which is on a CPU, draw its dropout in a cheaper way; what it computes in evaluation stays."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = _CheapDropout
    if model.config._attn_implementation == _TORCHS:
        _attend_by(model, _TRAINED, _trained_attention, ALL_MASK_ATTENTION_FUNCTIONS[_TORCHS])


def use_quantized_attention(model: Any) -> None:
    """Let `model` attend by `quantized_attention`."""
    _attend_by(model, QUANTIZED, quantized_attention, _mask)


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
    """softmax(q·kᵀ·scaling + mask)·v with all four operands on the uint8 grid, as transformers calls it.

    It is the function of the whole model: an attention that is not quantized keeps its operands in float.
    """
    on_query, on_key, on_value, on_probabilities = (getattr(module, name, _in_float) for name in OPERANDS)
    scale = query.size(-1) ** -0.5 if scaling is None else scaling
    scores = torch.matmul(on_query(query), on_key(key).transpose(2, 3)) * scale
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = on_probabilities(F.softmax(scores, dim=-1))
    if module.training:  # after the grid: dropout makes what it leaves larger than the 1 at which the grid ends
        probabilities = _dropout(probabilities, dropout)
    context = torch.matmul(probabilities, on_value(value))
    return context.transpose(1, 2).contiguous(), probabilities


def _trained_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # (b, 1, s, s) bool
    dropout: float = 0.0,
    **how: Any,
) -> tuple[Tensor, Tensor | None]:
    if not (module.training and dropout):
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        torchs: Any = ALL_ATTENTION_FUNCTIONS[_TORCHS]
        attended: tuple[Tensor, None] = torchs(module, query, key, value, attention_mask, dropout=dropout, **how)
        return attended
    added = None if attention_mask is None else _added(attention_mask, query.dtype)
    return quantized_attention(module, query, key, value, added, dropout=dropout, **how)


def _attend_by(model: Any, name: str, attention: Callable[..., Any], mask: Callable[..., Any]) -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, mask)
    model.set_attn_implementation(name)


def _mask(*, attention_mask: Tensor | None, dtype: torch.dtype, **how: Any) -> Tensor | None:
    """What is added to the scores: 0, or the lowest number for a piece of padding. See transformers' `eager_mask`.

    Where all pieces see the same ones it is (b, 1, 1, s), of which that makes (b, 1, s, s): the same sums, and a file
    without the nodes that do it.
    """
    from transformers.masking_utils import bidirectional_mask_function, eager_mask

    sees_all = how.get("mask_function") is bidirectional_mask_function and how.get("local_size") is None
    if attention_mask is None or not sees_all:
        whole: Tensor | None = eager_mask(attention_mask=attention_mask, dtype=dtype, **how)
        return whole
    return _added(attention_mask[:, None, None, :], dtype)


def _added(seen: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(seen, torch.zeros((), dtype=dtype, device=seen.device), torch.finfo(dtype).min)


def _dropout(x: Tensor, probability: float) -> Tensor:
    if not probability:
        return x
    is_cheap = x.is_cpu and not torch.compiler.is_compiling()
    return cheap_dropout(x, probability) if is_cheap else F.dropout(x, p=probability)


def _in_float(operand: Tensor) -> Tensor:
    return operand
