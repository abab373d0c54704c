"""How wide a layer of an encoder is: its heads of attention, and the neurons between its feed-forward matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

__all__ = ["LayerShape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """What a layer has; a head is hidden size / heads of the dense model wide, however many are left."""

    heads: int  # ≥ 1
    neurons: int  # ≥ 1

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> Self:
        return cls(**data)
