"""What goes together when weights go: `mask_type`, single weights, blocks of them, or all but N of every M."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Promise
from sparsebuild.modifiers.fields import Fields, whole

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MaskType"]

_GROUPS = re.compile(r"([1-9]\d*):([1-9]\d*)")
_BLOCK = re.compile(r"\[(-?\d+), (-?\d+)\]")
_NEARLY = 0.01  # SparseML takes a sparsity that is as near to what N:M means
_KINDS = "unstructured, block4, [rows, columns], 'N:M' or tensorrt"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskType:
    """One of SparseML's kinds of masks. With neither a block nor a group weights go one by one.

    Three things are as in SparseML: a block's score is the mean of its weights' scores; `[4, 4]` is sixteen neighbours
    in memory and no tile; `block4` is every four inputs of a row, whose last block may be smaller. Three are not: N:M
    may be reached gradually, groups of N:M never reach over the end of a row, and a convolution's mask lies where its
    weights do.
    """

    text: str = "unstructured"  # as recipes and structure.json write it
    block: tuple[int, int] | None = None  # rows, columns; -1: all of them
    fours: bool = False
    group: tuple[int, int] | None = None  # how many stay, of how many

    @classmethod
    def read(cls, fields: Fields, *, known: Sequence[str] | None = None) -> Self:
        """The setting `mask_type`; with `known` no other kinds than these."""
        value = fields.entry.fields.get("mask_type", "unstructured")
        fields.ignored("mask_type")
        found = cls.of(value)
        if found is None or (known is not None and found.text not in known):
            kinds = _KINDS if known is None else " or ".join(known)
            fields.problem("mask_type", f"`mask_type` must be {kinds}, found {_shown(value)}")
        return found or cls()

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """What a recipe's value, or the `text` of one, means; None if nothing."""
        if block := _BLOCK.fullmatch(value) if isinstance(value, str) else None:
            value = [int(block[1]), int(block[2])]
        if isinstance(value, tuple | list):
            return cls._of_block(value)
        if value == "tensorrt":
            return cls(text="tensorrt", group=(2, 4))
        if value in ("unstructured", "block4"):
            return cls(text=value, fours=value == "block4")
        groups = _GROUPS.fullmatch(value) if isinstance(value, str) else None
        if not groups or int(groups[1]) >= int(groups[2]):
            return None
        return cls(text=value, group=(int(groups[1]), int(groups[2])))

    @classmethod
    def _of_block(cls, value: Sequence[Any]) -> Self | None:
        sizes = [n for n in map(whole, value) if n is not None and (n > 0 or n == -1)]
        if len(value) != 2 or len(sizes) != 2:
            return None
        return cls(text=f"[{sizes[0]}, {sizes[1]}]", block=(sizes[0], sizes[1]))

    @property
    def most(self) -> float:
        """The sparsity at which a mask is complete: 1 - N/M, and 1 for what knows no end."""
        return 1 - self.group[0] / self.group[1] if self.group else 1.0

    @property
    def told(self) -> str:
        """For people, after how single weights would be told; nothing for those."""
        return "" if self.text == "unstructured" else f", {self.text}"

    def complete(self, fields: Fields, name: str, sparsity: float) -> float:
        """The final sparsity that the setting `name` means: of N:M as exactly as that says."""
        if not self.group:
            return sparsity
        if abs(sparsity - self.most) > _NEARLY:
            wanted = f"`{name}` must be {self.most:.4g} with `mask_type: {self.text}`"
            fields.problem(name, f"{wanted}, found {sparsity:g}")
        return self.most

    def rounded(self, sparsity: float) -> float:
        """`sparsity`, or `most` where it is barely more than that."""
        return self.most if self.most < sparsity <= self.most + _NEARLY else sparsity

    def promises(
        self, tag: str, shapes: Mapping[str, Sequence[int]], sparsity: Mapping[str, float], *, together: bool
    ) -> list[Promise]:
        """The zeros that `masks` leaves in parameters of these shapes, for all of them or for each."""
        parts = [list(shapes)] if together and shapes else [[name] for name in shapes]
        zeros = [self._zeros([shapes[name] for name in part], sparsity[part[0]]) for part in parts]
        return [
            Promise(modifier=tag, parameters=tuple(part), zeros=count)
            for part, count in zip(parts, zeros, strict=True)
            if count is not None
        ]

    def _zeros(self, shapes: Sequence[Sequence[int]], sparsity: float) -> int | None:
        """How many weights of parameters of these shapes `masks` takes, together; None where that is not known."""
        size = sum(map(math.prod, shapes))
        if self.group and sparsity >= self.most:
            return size // self.group[1] * (self.group[1] - self.group[0])
        units = {self._unit(shape) for shape in shapes}
        unit = units.pop()
        return None if units or not unit else unit * round(sparsity * (size // unit))

    def _unit(self, shape: Sequence[int]) -> int:
        """How many weights go as one; 0 where blocks differ."""
        if self.block:
            return math.prod(n if b == -1 else b for b, n in zip(self.block, shape, strict=False))
        if self.fours:
            return 0 if shape[min(1, len(shape) - 1)] % 4 else 4
        return 1

    def check(self, tag: str, shapes: Mapping[str, Sequence[int]]) -> None:
        """Raise RecipeError for a parameter that does not divide into blocks or groups."""
        for name, shape in shapes.items():
            if not self._divides(shape):
                raise self.misfit(tag, name, shape)

    def misfit(self, tag: str, name: str, shape: Sequence[int]) -> RecipeError:
        """What to raise for a parameter that does not divide."""
        told = " × ".join(map(str, shape))
        return RecipeError(
            f"{tag}: `{name}` ({told}) does not divide into {self.text}",
            hint="leave it out of `params`, or choose another `mask_type`",
        )

    def _divides(self, shape: Sequence[int]) -> bool:
        if self.group:
            return len(shape) > 1 and shape[1] % self.group[1] == 0
        if self.block:
            return len(shape) > 1 and all(b == -1 or n % b == 0 for b, n in zip(self.block, shape, strict=False))
        return True

    def masks(
        self,
        scores: Mapping[str, Tensor],  # any shapes; -inf where a weight has gone
        sparsity: Mapping[str, float],  # of each, 0 … `most`
        *,
        together: bool,  # one ranking over all, for which they have one sparsity
    ) -> dict[str, Tensor]:  # bool, the shapes of `scores`
        """False on round(sparsity · units) of what goes as one, with the smallest scores."""
        from sparsebuild.numerics.masks import smallest_masks

        units = {name: self._units(s) for name, s in scores.items()}
        parts = [units] if together and units else [{name: u} for name, u in units.items()]
        masks: dict[str, Tensor] = {}
        for part in parts:
            target = sparsity[next(iter(part))]
            if self.group and target >= self.most:
                masks |= {name: u.isposinf() for name, u in part.items()}
            else:
                masks |= smallest_masks(part, round(target * sum(u.numel() for u in part.values())))
        return {name: self._spread(m, tuple(scores[name].shape)) for name, m in masks.items()}

    def is_kept_by(self, weight: Tensor, zeros: int) -> bool:
        """Whether so many zeros of a finished weight lie as this kind wants: in whole blocks, or N:M everywhere."""
        if self.group:
            rows = weight.movedim(1, -1) if weight.ndim > 2 else weight
            return int((rows.reshape(-1, self.group[1]) != 0).sum(-1).max()) <= self.group[0]
        if self.text == "unstructured":
            return True
        gone = self._spread(self._units(weight.abs()) == 0, tuple(weight.shape))
        return int(gone.count_nonzero()) >= zeros

    def _units(self, scores: Tensor) -> Tensor:
        """One score for each block; of a group, +inf on those that stay in any case."""
        from sparsebuild.numerics.masks import block_scores, four_scores, group_candidates

        if self.group:
            return group_candidates(scores, *self.group)
        if self.block:
            return block_scores(scores, self.block)
        return four_scores(scores) if self.fours else scores

    def _spread(self, mask: Tensor, shape: Sequence[int]) -> Tensor:
        from sparsebuild.numerics.masks import block_mask, four_mask

        if self.block:
            return block_mask(mask, shape, self.block)
        return four_mask(mask, shape) if self.fours else mask


def _shown(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple | list) else str(value)
