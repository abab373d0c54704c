"""Gradual pruning by second order: `OBSPruningModifier`, the Optimal BERT Surgeon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.gradual_pruning import GradualPruning, Pruning
from sparsebuild.modifiers.parameters import at_work
from sparsebuild.numerics.sparsity_schedule import clock
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

    from sparsebuild.modifiers.base import Gradients

__all__ = ["OBSPruning"]

_LOADER = ("batch_size", "num_workers", "pin_memory", "prefetch_factor", "persistent_workers", "shuffle", "drop_last")


@dataclass(frozen=True, slots=True, kw_only=True)
class OBSPruning(GradualPruning):
    """At each event gradients are taken aside, and with them it is reckoned what each weight is worth, and how those
    that stay make up for those that go. See numerics/block_fisher.

    Gradients are of the task's loss on labelled sentences, one for each batch, in evaluation mode; which sentences
    follows from the step, so that nothing has to be kept. Where SparseML's code and its documentation differ on
    `fisher_block_size` we follow the latter: 50. SparseML throws away the gradient of the step at which an event lies;
    we take events before it.
    """

    tag: ClassVar[str] = "OBSPruningModifier"
    summary: ClassVar[str] = "removes the weights that others can best make up for, step by step"

    num_grads: int = 1024
    damp: float = 1e-7
    fisher_block_size: int = 50  # memory: 4 bytes for each weight and place in a block
    num_recomputations: int = 1  # within an event, each a part of the way
    batch_size: int | None = None  # sentences of one gradient; None: as in training

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        spec = cls._read(
            fields,
            is_global=fields.flag("global_sparsity", True),
            kinds=("unstructured", "block4"),
            num_grads=fields.integer("num_grads", 1024, least=1),
            damp=fields.number("damp", 1e-7, least=0, above=0),
            fisher_block_size=fields.integer("fisher_block_size", 50, least=1),
            num_recomputations=fields.integer("num_recomputations", 1, least=1),
            batch_size=_batch_size(fields),
        )
        if spec.mask_type.fours and spec.fisher_block_size % 4:
            wanted = "`fisher_block_size` must be a multiple of 4 with `mask_type: block4`"
            fields.problem("fisher_block_size", f"{wanted}, found {spec.fisher_block_size}")
        fields.finish()
        return spec

    def attach(self, run: Run) -> Attached:
        if run.gradients is None:
            raise RecipeError(f"{self.tag} needs labelled text to take gradients of, and this training has none")
        return _Surgeon(self, run, run.gradients)


class _Surgeon(Pruning):
    spec: OBSPruning

    def __init__(self, spec: OBSPruning, run: Run, gradients: Gradients) -> None:
        super().__init__(spec, run)
        self.gradients = gradients
        self.steps_per_epoch = run.steps_per_epoch
        self.log, self.progress = run.log, run.progress

    def check(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Fours, which may run on over the ends of rows elsewhere, must lie in rows: they are scored by row."""
        super().check(shapes)
        if self.spec.mask_type.fours:
            for name, shape in shapes.items():
                if len(shape) != 2 or shape[1] % 4:
                    raise self.spec.mask_type.misfit(self.spec.tag, name, shape)

    def prune(self, moment: Moment, epoch: float) -> None:
        names = at_work(self.model, self.held.weights)
        before, after = self._before(moment, names), self.wanted(epoch, names)
        parts = self.spec.num_recomputations
        self.log(f"{self.spec.tag}: {parts * self.spec.num_grads} gradients are taken at epoch {moment.epoch:g}")
        for part in range(1, parts + 1):
            inverses = self._inverses(names, moment, part)
            self._remove(inverses, {n: before[n] + (after[n] - before[n]) * part / parts for n in names})

    def _before(self, moment: Moment, names: Sequence[str]) -> dict[str, float]:
        """What the event before asked for."""
        at = self.events.index(moment.step)
        if at == 0:
            return dict.fromkeys(names, 0.0)
        return self.wanted(clock(self.events[at - 1], self.steps_per_epoch), names)

    def _inverses(self, names: Sequence[str], moment: Moment, part: int) -> dict[str, Tensor]:
        """F⁻¹ of each parameter, whose weights that have gone have no gradient; for one part of an event, from 1."""
        from sparsebuild.numerics.block_fisher import BlockFisher

        spec = self.spec
        weights = [self.held.weights[name] for name in names]
        fishers = [
            BlockFisher(w.detach(), block=spec.fisher_block_size, damp=spec.damp, count=spec.num_grads) for w in weights
        ]
        key, total = moment.step * spec.num_recomputations + part - 1, spec.num_recomputations * spec.num_grads
        taken = self.gradients(weights, key=key, count=spec.num_grads, size=spec.batch_size)
        for done, found in enumerate(taken, (part - 1) * spec.num_grads + 1):
            self.progress(done, total, "gradients")
            for name, fisher, gradient in zip(names, fishers, found, strict=True):
                mask = self.held.masks.get(name)
                fisher.add(gradient if mask is None else gradient * mask)
        return {name: fisher.inverse() for name, fisher in zip(names, fishers, strict=True)}

    def _remove(self, inverses: Mapping[str, Tensor], sparsity: Mapping[str, float]) -> None:
        import torch

        from sparsebuild.numerics import block_fisher as maths

        is_fours = self.spec.mask_type.fours
        score = maths.four_obs_scores if is_fours else maths.obs_scores
        update = maths.four_obs_update if is_fours else maths.obs_update
        weights = self.held.weights
        before = {name: self.held.masks.get(name, torch.ones_like(weights[name])) != 0 for name in inverses}
        left = {name: self.held.without_held(name, score(weights[name], f)) for name, f in inverses.items()}
        kept = self.spec.mask_type.masks(left, sparsity, together=self.spec.is_global)
        with torch.no_grad():
            for name, inverse in inverses.items():
                weights[name].copy_(update(weights[name], inverse, before[name] & ~kept[name]))
        self.held.grow(kept)


def _batch_size(fields: Fields) -> int | None:
    """Of `grad_sampler_kwargs`, which were arguments of a data loader; others than the size mean nothing to ours."""
    given = fields.entry.fields.get("grad_sampler_kwargs") or {}
    fields.ignored("grad_sampler_kwargs")
    if not isinstance(given, Mapping):
        fields.problem("grad_sampler_kwargs", "`grad_sampler_kwargs` must be a table, such as {batch_size: 16}")
        return None
    for name in given:
        if name not in _LOADER:
            fields.problem("grad_sampler_kwargs", f"`grad_sampler_kwargs` has no setting `{name}`")
    size: Any = given.get("batch_size")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        fields.problem("grad_sampler_kwargs", f"`batch_size` must be a whole number from 1, found {size}")
        return None
    return size
