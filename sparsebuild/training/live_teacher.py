"""A teacher that is asked at every step, for what its kept answers do not hold: padding, and single layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sparsebuild.modifiers.base import Batch
from sparsebuild.training.inputs import given

__all__ = ["LiveTeacher", "outputs_of", "watch"]


class LiveTeacher:
    """A frozen model in evaluation mode. Several modifiers may ask about one batch; it computes once."""

    def __init__(self, model: nn.Module, order: Sequence[int]) -> None:
        """`order` has, for each of the student's labels, its place among the teacher's."""
        self.model = model.eval().requires_grad_(False)
        self.order = list(order)
        self.seen: dict[str, Tensor] = {}
        self.answered: tuple[Batch, Tensor] | None = None

    def watch(self, names: Sequence[str]) -> None:
        """Keep what these modules give."""
        watch(self.model, [name for name in names if name not in self.seen], self.seen)

    def logits(self, batch: Batch) -> Tensor:
        """(b, s, labels) float32, padding included, in the order of the student's labels."""
        if self.answered is None or self.answered[0] is not batch:
            device = batch.input_ids.device
            self.model.to(device)
            with torch.no_grad(), torch.autocast(device.type, enabled=False):  # as `teach` asks it
                out: Any = self.model(**given(self.model, batch))
            self.answered = (batch, out.logits[..., self.order])
        return self.answered[1]

    def layers(self, batch: Batch) -> Mapping[str, Tensor]:
        """What the watched modules give for `batch`; a classifier's labels in the student's order."""
        self.logits(batch)
        return {name: out[..., self.order] if name == "classifier" else out for name, out in self.seen.items()}


def watch(model: nn.Module, names: Sequence[str], seen: dict[str, Tensor]) -> None:
    """Put what the named modules give into `seen`, at every call."""
    modules = dict(model.named_modules())

    def keep(name: str) -> Any:
        def hook(module: nn.Module, given: Any, out: Any) -> None:
            seen[name] = out

        return hook

    for name in names:
        modules[name].register_forward_hook(keep(name))


def outputs_of(model: nn.Module) -> list[str]:
    """The layers whose outputs can be learned from where a recipe names none: all Linears, in the model's order."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
