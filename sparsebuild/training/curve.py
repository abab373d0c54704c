"""The means of losses between two lines of `metrics.jsonl`, kept where the losses are: adding waits for no device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["Means"]


class Means:
    """Sums of named scalars in float64. A name may come later than others: it has its own count."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in scalars () without gradient."""
        for name, value in values.items():
            known = self._sums.get(name)
            self._sums[name] = value.double() if known is None else known + value.double()
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means so far; begins anew."""
        means = {name: float(total / self._counts[name]) for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def to_json(self) -> dict[str, Any]:
        """For a checkpoint; a float64 is read back as it was written."""
        return {name: [float(total), self._counts[name]] for name, total in self._sums.items()}

    def restore(self, data: Mapping[str, Any], device: torch.device) -> None:
        self._sums = {n: torch.tensor(total, dtype=torch.float64, device=device) for n, (total, _) in data.items()}
        self._counts = {n: count for n, (_, count) in data.items()}
