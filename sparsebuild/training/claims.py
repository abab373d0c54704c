"""What was promised, held against what was saved: the files are opened as a stranger would open them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsebuild.errors import Problem, TargetFailed
from sparsebuild.modifiers.base import Promise
from sparsebuild.modifiers.mask_type import MaskType
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training.models import open_model
from sparsebuild.training.quantization import quantized_modules
from sparsebuild.training.shapes import shapes
from sparsebuild.training.structure import FILE_NAME, Structure

__all__ = ["check_saved"]


def check_saved(model: Any, masks: Mapping[str, Tensor], promises: Sequence[Promise], folder: Path) -> None:
    """Raise TargetFailed with everything that the files in `folder` lack of what `model`, in training, was to become.

    Zeros are those of the weights' file and of the structure's; modules those of a model that is built from both; and
    that model has to compute the same bits.
    """
    from safetensors.torch import load_file

    weights, structure = load_file(folder / "model.safetensors"), Structure.read(folder)
    if structure is None:
        raise TargetFailed(f"{FILE_NAME} is missing beside the weights")
    wrong = [*_held(masks, weights, structure), *_promised(promises, masks, weights)]
    reopened = open_model(folder)
    wrong += [*_modules(model, promises, reopened), *_shapes(promises, reopened)]
    if not wrong and not _computes_the_same(model, reopened):
        wrong.append("the saved model does not compute what the trained one does")
    if wrong:
        raise TargetFailed(*(Problem(message=message) for message in wrong))


def _held(masks: Mapping[str, Tensor], weights: Mapping[str, Tensor], structure: Structure) -> Iterator[str]:
    """Whether what masks hold is exactly zero in the file, is counted, and lies as the mask's kind wants."""
    for name, mask in masks.items():
        gone = mask.to(weights[name].device) == 0
        count = int(gone.sum())
        if bool((weights[name][gone] != 0).any()):
            yield f"`{name}` was promised {count} zeros, and some are not zero in the file"
        there = structure.masked[name].zeros if name in structure.masked else 0
        if there != count:
            yield f"{FILE_NAME} says that {there} weights of `{name}` are held at zero, and {count} are"
    for name, masked in structure.masked.items():
        kind = MaskType.of(masked.mask_type)
        if kind is None or not kind.is_kept_by(weights[name], masked.zeros):
            yield f"the zeros of `{name}` do not lie as `mask_type: {masked.mask_type}` wants them"


def _promised(promises: Sequence[Promise], masks: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Iterator[str]:
    """Whether what the schedules end with is there, tensor by tensor or over several, as they say it."""
    times = Counter(name for promise in promises for name in promise.parameters)
    held = {name: int((mask == 0).sum()) for name, mask in masks.items()}
    for promise in promises:
        names = promise.parameters
        there = sum(int((weights[name] == 0).sum()) for name in names)
        masked = sum(held.get(name, 0) for name in names)
        is_exact = not promise.at_least and all(times[name] == 1 for name in names)
        if there < promise.zeros or masked < promise.zeros or (is_exact and masked != promise.zeros):
            size = sum(weights[name].numel() for name in names)
            of = f"`{names[0]}`" if len(names) == 1 else f"{len(names)} tensors"
            yield (
                f"{promise.modifier} promised {promise.zeros} zeros in {of} ({_share(promise.zeros, size)}); "
                f"{masked} are held at zero, and the file has {there}"
            )


def _modules(model: Any, promises: Sequence[Promise], reopened: Any) -> Iterator[str]:
    planned = {name for promise in promises for name in promise.modules}
    trained = {name for name, _ in quantized_modules(model)}
    there = {name for name, _ in quantized_modules(reopened)}
    for what, names in (("was trained as", trained), ("was promised to be", planned)):
        for name in sorted(names - there):
            yield f"`{name}` {what} a quantized module, and is none in the saved model"
    for name in sorted(there - trained):
        yield f"`{name}` is quantized in the saved model, and was not in training"


def _shapes(promises: Sequence[Promise], reopened: Any) -> Iterator[str]:
    """Whether each layer has the heads and neurons that it was promised to be left with, and no other is there.

    Of several modifiers one may cut heads and another neurons: the narrowest promise holds.
    """
    several = [promise for promise in promises if promise.shapes]
    there = shapes(reopened) if several else {}
    for name in sorted({name for promise in several for name in promise.shapes} | there.keys()):
        wanted = _narrowest([promise.shapes[name] for promise in several if name in promise.shapes])
        if wanted != (found := there.get(name)):
            yield f"{several[0].modifier} promised `{name}` {_width(wanted)}; the saved model has {_width(found)}"


def _narrowest(several: Sequence[LayerShape]) -> LayerShape | None:
    if not several:
        return None
    return LayerShape(heads=min(s.heads for s in several), neurons=min(s.neurons for s in several))


def _width(shape: LayerShape | None) -> str:
    return f"{shape.heads} heads and {shape.neurons} neurons" if shape else "no such layer"


def _computes_the_same(model: Any, reopened: Any) -> bool:
    ids = torch.arange(1, 33).reshape(2, 16) % model.config.vocab_size
    model.eval()
    with torch.no_grad():
        return torch.equal(model(input_ids=ids).logits, reopened(input_ids=ids).logits)


def _share(count: int, size: int) -> str:
    return f"{100 * count / size:.4g} %" if size else "no weights"
