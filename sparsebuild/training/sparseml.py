"""Models that SparseML saved after quantization began: their tensors under plain names, and what it knew as structure.

In its state dict a Linear stands inside a wrapper, with the observers of its input and of its weight beside it:

    encoder.…query.module.weight, .bias                                  the Linear's own, in float
    encoder.…query.module.weight_fake_quant.scale, .zero_point           the weight's grid: one scale, -128 … 127
    encoder.…query.quant.activation_post_process.scale, .zero_point, .activation_post_process.min_val, .max_val
    embeddings.word_embeddings.weight, .weight_fake_quant.…, .activation_post_process.…       its table, and its output
    encoder.…self.attention_scores_matmul.input_quant_stubs.0.activation_post_process.…       of its forked BERT

A schedule is not replayed: what has observers is quantized, with the scales that they had. Bits are not in the file;
8 are taken. What comes out of attention's products was rounded too in the forked BERT, and is not here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
from torch import Tensor

from sparsebuild.errors import UserError
from sparsebuild.numerics.fake_quant import activation_parameters
from sparsebuild.numerics.quantization_scheme import ATTENTION, Grid, Scheme
from sparsebuild.training.structure import Structure

__all__ = ["is_wrapped", "plain_tensors", "wrapped_structure"]

_WRAPPER = ".module."
_OBSERVED = ".activation_post_process."
_WEIGHT = ".weight_fake_quant."
_INPUT = ".quant"  # the stub before a wrapped module
_OPERANDS = {  # of attention, in the forked BERT: which input of which product is which of our quantizers
    ("attention_scores_matmul", 0): "query_quantizer",
    ("attention_scores_matmul", 1): "key_quantizer",
    ("context_layer_matmul", 0): "probability_quantizer",
    ("context_layer_matmul", 1): "value_quantizer",
}
_HIGHEST, _MIDDLE = 255, 128  # of an activation's integers


def is_wrapped(names: Collection[str]) -> bool:
    """Whether these are the tensors of a model that SparseML was quantizing."""
    return any(_WEIGHT in name or _OBSERVED in name for name in names)


def plain_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float model's tensors, under its own names."""
    return {
        name.replace(_WRAPPER, "."): tensor
        for name, tensor in tensors.items()
        if _WEIGHT not in name and _OBSERVED not in name
    }


def wrapped_structure(tensors: Mapping[str, Tensor]) -> Structure:
    """What was quantized, and how."""
    weights = dict(_weight_grids(tensors))
    ranges = dict(_ranges(tensors))
    attentions = sorted({name.rpartition(".")[0] for name in ranges if name.endswith(tuple(_OPERANDS.values()))})
    linears = [name for name in weights if f"{name}.weight" not in tensors]
    embeddings = [name for name in weights if name not in linears]
    observed = sorted({name.rpartition(".")[0] for name in ranges} - {*weights, *attentions})  # LayerNorm and its like
    schemes = {
        name: Scheme(
            inputs=Grid() if f"{name}.input_quantizer" in ranges else None,
            weights=weights.get(name),
            outputs=Grid() if f"{name}.output_quantizer" in ranges else None,
        )
        for name in (*weights, *observed)
    }
    return Structure(
        masked={},
        linears=tuple(linears),
        embeddings=tuple(embeddings),
        attentions=tuple(attentions),
        others=tuple(observed),
        weight_levels=127,
        schemes={**schemes, **dict.fromkeys(attentions, ATTENTION)},
        ranges=ranges,
    )


def _weight_grids(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Grid]]:
    """Plain name of a module → the grid of its weight."""
    for name, scale in tensors.items():
        if not name.endswith(f"{_WEIGHT}scale"):
            continue
        module = name.removesuffix(f"{_WEIGHT}scale")
        if scale.numel() != 1:
            raise UserError(
                f"`{name}` has {scale.numel()} scales, one for each channel: models of SparseML's are read with one",
                hint="start from the model as it was before quantization",
            )
        zero_point = tensors.get(f"{module}{_WEIGHT}zero_point")
        yield (
            module.removesuffix(".module"),
            Grid(
                symmetric=zero_point is None or int(zero_point) == 0,
                scale=float(scale),
                zero_point=0 if zero_point is None else int(zero_point),
            ),
        )


def _ranges(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Our name of an observer → its range."""
    for name in tensors:
        if not name.endswith(f"{_OBSERVED}scale") or _WEIGHT in name:
            continue
        stub = name.removesuffix(f"{_OBSERVED}scale")
        ours = _ours(stub)
        if ours:
            yield ours, _range(tensors, f"{stub}{_OBSERVED}")


def _ours(stub: str) -> str:
    """What we call the observer of a stub; nothing for one that has no counterpart here."""
    if stub.endswith(_INPUT):
        return f"{stub.removesuffix(_INPUT)}.input_quantizer"
    head, _, number = stub.rpartition(".input_quant_stubs.")
    module, _, product = head.rpartition(".")
    if head:
        operand = _OPERANDS.get((product, int(number))) if number.isdigit() else None
        return f"{module}.{operand}" if operand else ""
    return "" if ".output_quant_stubs." in stub else f"{stub.removesuffix('.module')}.output_quantizer"


def _range(tensors: Mapping[str, Tensor], observer: str) -> tuple[float, float]:
    """Lowest and highest value of an activation: those that were observed, if they give the scale that was used.

    An observer goes on when the scale is fixed, as it does after its last epoch; then the range is that of the scale.
    Integers were 0 … 255 or, in other recipes, -128 … 127, which the file does not say: the latter where the zero point
    is below 0, is right for what was observed only so, or leaves no room for the negative values that were.
    """
    scale = tensors[f"{observer}scale"].float().reshape(())
    zero_point = tensors[f"{observer}zero_point"].float().reshape(())
    is_signed = False
    seen = [tensors.get(f"{observer}activation_post_process.{end}") for end in ("min_val", "max_val")]
    if all(end is not None and end.numel() == 1 for end in seen):
        low, high = (end.float().reshape(()) for end in seen if end is not None)
        given = activation_parameters(low, high)
        if torch.equal(given[0], scale) and float(given[1] - zero_point) in (0, _MIDDLE):
            return float(low), float(high)
        is_signed = bool(zero_point == 0 and low < -scale)
    if zero_point < 0 or is_signed:
        zero_point = zero_point + _MIDDLE
    return float(-zero_point * scale), float((_HIGHEST - zero_point) * scale)
