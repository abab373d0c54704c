"""Quantization in training: modules that fake-quantize, by swapping the class of the modules that are there.

Parameters stay the same objects, so the optimizer's state survives, and a checkpoint has the float model's keys plus
the observers' buffers. Which module gets which grids is a plan, a value (training/quantization_plan.py); by default
inputs of Linears are quantized (uint8, per tensor), weights too (int8, per output channel, or per table for an
Embedding), and the four operands of attention.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsebuild.numerics.fake_quant import (
    activation_parameters,
    asymmetric_weight_parameters,
    fake_quantize_activation,
    fake_quantize_weight,
    fixed_weight_parameters,
    moving_average,
    symmetric_activation_parameters,
    weight_scale,
    widened,
)
from sparsebuild.numerics.quantization_scheme import ATTENTION, EMBEDDING, Grid, Scheme, linear_scheme
from sparsebuild.training.attention import OPERANDS, use_quantized_attention
from sparsebuild.training.processes import widest
from sparsebuild.training.quantization_plan import is_attention, submodule_plan

__all__ = [
    "ActivationQuantizer",
    "QuantizedEmbedding",
    "QuantizedLeaf",
    "QuantizedLinear",
    "apply_plan",
    "freeze_observers",
    "observers",
    "quantize",
    "quantized_modules",
    "scheme_of",
]

_LEAVES: dict[type[nn.Module], type[nn.Module]] = {}  # a layer's class → the class that rounds around it


class ActivationQuantizer(nn.Module):
    """Learns the range of what passes (in training mode only) and rounds to its grid.

    Frozen, it learns no more, but for its first batch: a layer may be left out until then, and a range of nothing would
    round all to zero.
    """

    lowest: Tensor  # () float32
    highest: Tensor  # () float32
    count: Tensor  # () int64, batches seen

    def __init__(self, grid: Grid, fixed: tuple[float, float] | None = None) -> None:
        super().__init__()
        low, high = fixed or (0.0, 0.0)
        self.grid = grid
        self.fixed = fixed is not None
        self.frozen = False
        self._has_range = False  # `count` is more than 0, as far as that was asked: to ask a GPU is to wait for it
        self.register_buffer("lowest", torch.tensor(low))
        self.register_buffer("highest", torch.tensor(high))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not self.fixed and not (self.frozen and self._knows_its_range()):
            self._observe(x.detach())
        return fake_quantize_activation(x, *self.parameters_of_grid(), self.grid.steps)

    def parameters_of_grid(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point of the range so far, both () float32."""
        parameters = symmetric_activation_parameters if self.grid.symmetric else activation_parameters
        return parameters(self.lowest, self.highest, self.grid.steps)

    def _knows_its_range(self) -> bool:
        self._has_range = self._has_range or bool(self.count)
        return self._has_range

    def _observe(self, x: Tensor) -> None:
        low, high = widest(*(end.float() for end in torch.aminmax(x)))  # from here on, lest bf16 rounds the mean
        if self.grid.momentum is None:
            widened(self.lowest, self.highest, low, high, self.count)
        else:
            moving_average(self.lowest, low, self.count, self.grid.momentum)
            moving_average(self.highest, high, self.count, self.grid.momentum)
        self.count += 1


class QuantizedLinear(nn.Linear):
    """A Linear that fake-quantizes as its scheme says; made by `apply_plan`, never by its constructor."""

    scheme: Scheme
    input_quantizer: ActivationQuantizer | None
    output_quantizer: ActivationQuantizer | None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name is nn.Linear's
        if self.input_quantizer is not None:
            input = self.input_quantizer(input)  # noqa: A001
        out = F.linear(input, _on_grid(self.weight, self.weight, self.scheme.weights), self.bias)
        return out if self.output_quantizer is None else self.output_quantizer(out)

    @property
    def weight_levels(self) -> int:
        """The largest integer of the weights; 0 where they are not quantized."""
        return self.scheme.weights.largest if self.scheme.weights else 0


class QuantizedEmbedding(nn.Embedding):
    """An Embedding whose rows are fake-quantized with the scale of the table, or with one for each row."""

    scheme: Scheme
    output_quantizer: ActivationQuantizer | None

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name is nn.Embedding's
        # Gather first, then round: the same value, without a pass over the whole table.
        rows = F.embedding(input, self.weight, self.padding_idx)
        grid = self.scheme.weights
        out = (
            _on_grid(rows, rows.flatten(0, -2), grid)
            if grid and grid.per_channel
            else _on_grid(rows, self.weight, grid)
        )
        return out if self.output_quantizer is None else self.output_quantizer(out)


class QuantizedLeaf(nn.Module):
    """Any other layer, whose first argument and result are fake-quantized; mixed into the layer's own class."""

    scheme: Scheme
    input_quantizer: ActivationQuantizer | None
    output_quantizer: ActivationQuantizer | None

    def forward(self, *args: Any, **named: Any) -> Any:
        if self.input_quantizer is not None and args and torch.is_tensor(args[0]) and args[0].is_floating_point():
            args = (self.input_quantizer(args[0]), *args[1:])
        out = super().forward(*args, **named)
        return out if self.output_quantizer is None or not torch.is_tensor(out) else self.output_quantizer(out)


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
    plan = submodule_plan(
        model,
        submodules=submodules,
        exclude_module_types=exclude_module_types,
        linear=linear_scheme(weight_levels),
        embedding=EMBEDDING if embeddings else None,
        attention=ATTENTION if attention else None,
    )
    return apply_plan(model, plan)


def apply_plan(model: nn.Module, plan: Mapping[str, Scheme]) -> list[str]:
    """Give each module that `plan` names its scheme and return the names of all that is quantized now."""
    modules = dict(model.named_modules())
    attends = False
    for name, scheme in plan.items():
        module = modules[name]
        if hasattr(module, "scheme"):
            continue
        if is_attention(module):
            _quantize_attention(module, scheme)
            attends = True
        else:
            _quantize_layer(module, scheme)
    if attends:
        use_quantized_attention(model)
    return [name for name, _ in quantized_modules(model)]


def quantized_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every quantized layer and attention, by name."""
    for name, module in model.named_modules():
        if isinstance(getattr(module, "scheme", None), Scheme):
            yield name, module


def scheme_of(module: nn.Module) -> Scheme:
    """The scheme of a quantized module."""
    scheme = module.scheme
    assert isinstance(scheme, Scheme)
    return scheme


def observers(model: nn.Module) -> Iterator[tuple[str, ActivationQuantizer]]:
    """Every activation quantizer, by name."""
    for name, module in model.named_modules():
        if isinstance(module, ActivationQuantizer):
            yield name, module


def freeze_observers(model: nn.Module, modules: Collection[str] | None = None) -> None:
    """Keep every range as it is from now on, the classifier's included; or those of `modules` alone."""
    for name, observer in observers(model):
        if modules is None or name.rpartition(".")[0] in modules:
            observer.frozen = True


def _on_grid(values: Tensor, whole: Tensor, grid: Grid | None) -> Tensor:
    """`values` on the grid of the tensor `whole` that they are part of."""
    if grid is None:
        return values
    if grid.scale is not None:
        scale, zero_point = fixed_weight_parameters(whole, grid.scale, grid.zero_point)
    elif grid.symmetric:
        scale, zero_point = weight_scale(whole, grid.largest, bool(grid.per_channel)), None
    else:
        scale, zero_point = asymmetric_weight_parameters(whole, grid.bits, bool(grid.per_channel))
    if scale.ndim and values.ndim > whole.ndim:  # the rows of a table, as gathered
        scale = scale.view(*values.shape[:-1], 1)
        zero_point = None if zero_point is None else zero_point.view(scale.shape)
    return fake_quantize_weight(values, scale, zero_point, grid.bits)


def _quantize_layer(module: nn.Module, scheme: Scheme) -> None:
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    if type(module) is nn.Linear:
        module.__class__ = QuantizedLinear
    elif type(module) is nn.Embedding:
        module.__class__ = QuantizedEmbedding
    else:
        module.__class__ = _leaf_class(type(module))
    module.scheme = scheme  # type: ignore[assignment]  # a value, not a tensor
    for part, grid in (("input_quantizer", scheme.inputs), ("output_quantizer", scheme.outputs)):
        quantizer = ActivationQuantizer(grid).to(device).train(module.training) if grid else None
        module.add_module(part, quantizer)


def _leaf_class(kind: type[nn.Module]) -> type[nn.Module]:
    if kind not in _LEAVES:
        _LEAVES[kind] = type(f"Quantized{kind.__name__}", (QuantizedLeaf, kind), {})
    return _LEAVES[kind]


def _quantize_attention(module: nn.Module, scheme: Scheme) -> None:
    assert scheme.inputs is not None
    device = next(module.parameters()).device
    module.scheme = scheme  # type: ignore[assignment]  # a value, not a tensor
    for name in OPERANDS:
        fixed = (0.0, 1.0) if name == "probability_quantizer" else None  # probabilities need no observing
        module.add_module(name, ActivationQuantizer(scheme.inputs, fixed).to(device).train(module.training))
