"""Who sets the learning rate: of several modifiers, the one that wrote it last, as SparseML's did one after another.

A curve writes at every step up to its end; a fixed rate writes once, when it starts. At the same step the modifier
that comes later in order decides. What was written, and when, follows from the step alone, so nothing has to be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Run
from sparsebuild.modifiers.fields import Fields

__all__ = ["RateWriter", "Written", "group_indices", "groups_of"]

_MARK = "rate_written"  # in a group of the optimizer: (the step at hand, the step at which its rate was written)


class Written(NamedTuple):
    """What a modifier wrote last, up to some moment."""

    step: int
    rate: float


class RateWriter(Attached):
    """Writes what `wrote` says of a moment, unless another modifier wrote after that."""

    def __init__(self, wrote: Callable[[Moment], Written | None], groups: Sequence[dict[str, Any]]) -> None:
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


def groups_of(run: Run, indices: Sequence[int], tag: str, what: str = "rate") -> Sequence[dict[str, Any]]:
    """The optimizer's groups that `indices` name, or all of them; raises RecipeError for one that is not there.

    The first group are the matrices, the second biases and norms. All groups stay all where one is added later.
    """
    groups: list[dict[str, Any]] = run.optimizer.param_groups
    if indices and max(indices) >= len(groups):
        raise RecipeError(
            f"{tag}: `param_groups` names group {max(indices)}, and the optimizer has {len(groups)}",
            hint=f"leave `param_groups` out: the {what} is then set for all",
        )
    return [groups[i] for i in indices] or groups
