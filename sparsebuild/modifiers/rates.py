"""Who sets the learning rate: of several modifiers, the one that wrote it last, as SparseML's did one after another.

A curve writes at every step up to its end; a fixed rate writes once, when it starts. At the same step the modifier
that comes later in order decides. What was written, and when, follows from the step alone, so nothing has to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Run
from sparsebuild.modifiers.fields import Fields

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RateWriter", "Written", "group_indices", "groups_of", "set_apart"]

_MARK = "rate_written"  # in a group of the optimizer: (the step at hand, the step at which its rate was written)
_PART_OF = "part_of"  # in a group that was split off: the index of the one that a recipe knows it by


class Written(NamedTuple):
    """What a modifier wrote last, up to some moment."""

    step: int
    rate: float


class RateWriter(Attached):
    """Writes what `wrote` says of a moment, unless another modifier wrote after that."""

    def __init__(self, wrote: Callable[[Moment], Written | None], groups: Iterable[dict[str, Any]]) -> None:
        self.wrote = wrote
        self.groups = groups

    def before_step(self, moment: Moment) -> None:
        wrote = self.wrote(moment)
        for group in self.groups if wrote else ():
            at_hand, written = group.get(_MARK, (-1, -1))
            if wrote and (at_hand != moment.step or wrote.step >= written):
                group["lr"] = wrote.rate
                group[_MARK] = (moment.step, wrote.step)


def group_indices(fields: Fields) -> tuple[int, ...]:
    """The setting `param_groups`: indices of the optimizer's groups; empty or absent means all."""
    value = fields.entry.fields.get("param_groups") or ()
    fields.ignored("param_groups")
    if not isinstance(value, tuple | list) or not all(type(v) is int and v >= 0 for v in value):
        fields.problem("param_groups", "`param_groups` must be a list of indices of the optimizer's groups")
        return ()
    return tuple(value)


def groups_of(run: Run, indices: Sequence[int], tag: str, what: str = "rate") -> Iterable[dict[str, Any]]:
    """The optimizer's groups that `indices` name, or all of them; raises RecipeError for one that is not there.

    The first group are the matrices, the second biases and norms. Which they are is found anew each time they are gone
    through: one that is split off later belongs to them, and one that is added later to all.
    """
    count = sum(_PART_OF not in group for group in run.optimizer.param_groups)
    if indices and max(indices) >= count:
        raise RecipeError(
            f"{tag}: `param_groups` names group {max(indices)}, and the optimizer has {count}",
            hint=f"leave `param_groups` out: the {what} is then set for all",
        )
    return _Groups(run.optimizer, indices)


def set_apart(optimizer: Any, weights: Iterable[Tensor]) -> None:
    """Give these parameters groups of their own, with the settings of the groups that they leave."""
    ids = set(map(id, weights))
    for index, group in enumerate(list(optimizer.param_groups)):
        apart = [p for p in group["params"] if id(p) in ids]
        if 0 < len(apart) < len(group["params"]):
            group["params"] = [p for p in group["params"] if id(p) not in ids]
            optimizer.add_param_group({_PART_OF: index, **group, "params": apart})


class _Groups:
    """Groups of an optimizer by the indices that a recipe knows; none means all."""

    def __init__(self, optimizer: Any, indices: Sequence[int]) -> None:
        self.optimizer = optimizer
        self.indices = indices

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index, group in enumerate(self.optimizer.param_groups):
            if not self.indices or group.get(_PART_OF, index) in self.indices:
                yield group
