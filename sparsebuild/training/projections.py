"""Maps from the student's widths to a teacher's, where the two have different sizes.

They learn with the model and are thrown away after training: no saved model has them. A checkpoint does.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsebuild.training.shapes import Kept, slice_parameter

__all__ = ["Projections"]

_PREFIX = "projection/"
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class Projections:
    """Bias-free linear maps by name, each made when it is first needed, and given to the optimizer then."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.weights: dict[str, nn.Parameter] = {}

    def project(self, name: str, x: Tensor, width: int) -> Tensor:
        """`x` (…, student's width) as (…, `width`)."""
        if name not in self.weights:
            self._add(name, _fresh(name, x.shape[-1], width).to(x.device))
        return F.linear(x.float(), self.weights[name])

    def cut(self, kept: Kept) -> None:
        """Follow Linears that give less than before, whose names maps have."""
        for name, weight in self.weights.items():
            dimension, places = kept.get(f"{name}.weight", (1, None))
            if dimension == 0 and places is not None:
                slice_parameter(weight, 1, places, self.optimizer)

    def state(self) -> dict[str, Tensor]:
        """The maps and Adam's moments of them, for a checkpoint."""
        found: dict[str, Tensor] = {}
        for name, weight in self.weights.items():
            found[f"{_PREFIX}{name}/weight"] = weight.detach()
            moments = self.optimizer.state.get(weight, {})
            found |= {f"{_PREFIX}{name}/{key}": moments[key] for key in _MOMENTS if key in moments}
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take `state` back."""
        for key, value in state.items():
            if key.startswith(_PREFIX) and key.endswith("/weight"):
                name = key.removeprefix(_PREFIX).removesuffix("/weight")
                self._add(name, value.clone())
                moments = {m: state[f"{_PREFIX}{name}/{m}"] for m in _MOMENTS if f"{_PREFIX}{name}/{m}" in state}
                if moments:
                    self.optimizer.state[self.weights[name]] = {m: v.clone() for m, v in moments.items()}

    def _add(self, name: str, weight: Tensor) -> None:
        """The new group has the rate of the others, which has been set for this step already, and no decay."""
        groups = self.optimizer.param_groups
        device = groups[0]["params"][0].device
        self.weights[name] = nn.Parameter(weight.to(device))
        self.optimizer.add_param_group({"params": [self.weights[name]], "lr": groups[0]["lr"], "weight_decay": 0.0})


def _fresh(name: str, width: int, wanted: int) -> Tensor:
    """(wanted, width) uniform in ±1/√width, as torch's Linear begins; the same for the same name."""
    draw = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    values: Tensor = torch.rand(wanted, width, generator=draw) * 2 - 1
    return values / math.sqrt(width)
