"""Gradual pruning: what the modifiers that remove more and more weights along a curve have in common.

Masks change before a step: at the start to `init_sparsity`, then every `update_frequency` epochs along a curve, and at
the end to `final_sparsity`. An end that training does not reach, such as the number of epochs itself, is at the last
step (SparseML never gets there and falls short). What has gone does not come back (in SparseML it may, where scores
change so), and weights of layers that a LayerPruningModifier has taken out are not ranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import RecipeError, TargetFailed
from sparsebuild.modifiers.base import Attached, Moment, Phase, Promise, Run
from sparsebuild.modifiers.fields import REQUIRED, Fields
from sparsebuild.modifiers.held_masks import Holding
from sparsebuild.modifiers.layer_pruning import NAME_OTHERS, check_left, check_zeros, nothing_left
from sparsebuild.modifiers.mask_type import MaskType
from sparsebuild.modifiers.parameters import at_work, select
from sparsebuild.modifiers.span import begin, often, percent, ramp_and_after
from sparsebuild.modifiers.structured_pruning import after_cuts, at_least
from sparsebuild.numerics.sparsity_schedule import CURVES, event_steps, sparsity_at
from sparsebuild.recipe import Entry

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GradualPruning", "Level", "Pruning"]

FROM_PARAM = "__FROM_PARAM__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How sparse some parameters become."""

    sparsity: float
    params: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradualPruning:
    """What scores lowest goes, more and more of it; by itself, the smallest weights."""

    tag: ClassVar[str] = ""
    summary: ClassVar[str] = ""

    start_epoch: float
    end_epoch: float
    update_frequency: float  # epochs; -1: every step
    init_sparsity: float | None  # None: the zeros each parameter has when pruning starts (`__FROM_PARAM__`)
    levels: tuple[Level, ...]  # one, unless `final_sparsity` is a table
    is_global: bool  # one ranking over all parameters, or one for each
    inter_func: str = "cubic"
    leave_enabled: bool = True  # hold the masks after the end
    mask_type: MaskType = field(default_factory=MaskType)

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        spec = cls._read(fields, is_global=False)
        fields.finish()
        return spec

    @classmethod
    def _read(cls, fields: Fields, *, is_global: bool, kinds: Sequence[str] | None = None, **more: Any) -> Self:
        start, end = fields.span(start=REQUIRED, end=REQUIRED, empty=False, forever=False)
        kind = MaskType.read(fields, known=kinds)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            update_frequency=fields.frequency("update_frequency"),
            init_sparsity=_initial(fields, kind),
            levels=_levels(fields, kind),
            is_global=is_global,
            inter_func=fields.choice("inter_func", tuple(CURVES), "cubic"),
            leave_enabled=fields.flag("leave_enabled", True),
            mask_type=kind,
            **more,
        )
        _check_levels(fields, spec)
        return spec

    def sparsity(self, epoch: float, initial: float | None = None, final: float | None = None) -> float:
        """The sparsity asked for at `epoch`; `initial` where the recipe leaves it to the model, `final` of a level."""
        first = self.init_sparsity if self.init_sparsity is not None else initial or 0.0
        last = self.levels[0].sparsity if final is None else final
        start = begin(self)
        return sparsity_at((epoch - start) / (self.end_epoch - start), first, max(first, last), self.inter_func)

    def phases(self, epochs: float) -> Sequence[Phase]:
        first = "as it is" if self.init_sparsity is None else percent(self.init_sparsity)
        last = ", ".join(percent(level.sparsity) for level in self.levels)
        how = "all together" if self.is_global else "each parameter"
        curve = f"{self.inter_func.replace('_', ' ')}, {often(self.update_frequency)}"
        told = f"{first} → {last} sparse, {curve}, {how}{self.mask_type.told}"
        return ramp_and_after(self.tag, self, epochs, told, last, is_held=self.leave_enabled)

    def attach(self, run: Run) -> Attached:
        return Pruning(self, run)


class Pruning(Holding):
    """Gradual pruning at work; what `score` says decides, unless a subclass prunes in another way."""

    def __init__(self, spec: GradualPruning, run: Run) -> None:
        self.final = _final(spec, run)
        super().__init__(spec.tag, run.weights(list(self.final)), spec.mask_type.text)
        self.spec, self.run = spec, run
        self.model = run.model
        self.check(after_cuts(self.held.weights, run))
        if spec.leave_enabled:
            check_zeros(spec.tag, spec.end_epoch, self.final, run, together=spec.is_global)
        span = (spec.start_epoch, spec.end_epoch, spec.update_frequency)
        self.events = event_steps(*span, run.steps_per_epoch, run.last_step)
        if self.events:
            check_left(spec.tag, spec.end_epoch, self.final, run)
        self.initial: dict[str, float] = {}  # of `__FROM_PARAM__`

    def before_step(self, moment: Moment) -> None:
        self.change(moment)

    def promises(self) -> Sequence[Promise]:
        is_held = self.events and (self.spec.leave_enabled or self.events[-1] == self.run.last_step)
        return at_least(self._promised(), self.run) if is_held else ()

    def state(self) -> Mapping[str, Tensor]:
        import torch

        initial = {f"initial.{n}": torch.tensor(s, dtype=torch.float64) for n, s in self.initial.items()}
        return {**super().state(), **initial}

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        super().restore(moment, state)
        self.initial = {k.removeprefix("initial."): float(v) for k, v in state.items() if k.startswith("initial.")}

    # ---- an event

    def change(self, moment: Moment) -> None:
        """Prune if this is an event; let everything go after the last one, where the recipe says so."""
        if not self.events:
            return
        if moment.step in self.events:
            if self.spec.init_sparsity is None and not self.initial:
                self.initial = self._found_sparsity()
            names, is_last = at_work(self.model, self.held.weights), moment.step == self.events[-1]
            if is_last and not names:
                raise TargetFailed(nothing_left(self.spec.tag, moment.epoch), hint=NAME_OTHERS)
            self.check({name: self.held.weights[name].shape for name in names})
            if names:
                self.prune(moment, self.spec.end_epoch if is_last else moment.epoch)
        elif moment.step > self.events[-1] and not self.spec.leave_enabled:
            self.held.release()

    def check(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Refuse parameters that do not divide into the pattern: those of known cuts before training, others then."""
        self.spec.mask_type.check(self.spec.tag, shapes)

    def prune(self, moment: Moment, epoch: float) -> None:
        """Remove what scores lowest, to the sparsity of `epoch`."""
        names = at_work(self.model, self.held.weights)
        self.remove({name: self.score(name) for name in names}, self.wanted(epoch, names))

    def score(self, name: str) -> Tensor:
        """A score for each weight of a parameter; the lowest go."""
        return self.held.weights[name].detach().abs()

    def wanted(self, epoch: float, names: Sequence[str]) -> dict[str, float]:
        """The sparsity of each parameter at `epoch`."""
        initial = {name: self.initial.get("" if self.spec.is_global else name) for name in names}
        return {name: self.spec.sparsity(epoch, initial[name], self.final[name]) for name in names}

    def remove(self, scores: Mapping[str, Tensor], sparsity: Mapping[str, float]) -> None:
        """Hold at zero what scores lowest, and what has gone already."""
        left = {name: self.held.without_held(name, s) for name, s in scores.items()}
        self.held.grow(self.spec.mask_type.masks(left, sparsity, together=self.spec.is_global))

    # ---- inside

    def _promised(self) -> list[Promise]:
        """The zeros at the end of the ramp: of all parameters together, or of each."""
        names = at_work(self.model, self.held.weights)
        shapes = {name: tuple(self.held.weights[name].shape) for name in names}
        wanted = self.wanted(self.spec.end_epoch, names)
        return self.spec.mask_type.promises(self.spec.tag, shapes, wanted, together=self.spec.is_global)

    def _found_sparsity(self) -> dict[str, float]:
        """The share of zeros of each parameter, and of all together under ""."""
        sizes = {n: w.numel() for n, w in self.held.weights.items()}
        zeros = {n: sizes[n] - int(w.count_nonzero()) for n, w in self.held.weights.items()}
        return {"": sum(zeros.values()) / sum(sizes.values()), **{n: zeros[n] / sizes[n] for n in zeros}}


def _final(spec: GradualPruning, run: Run) -> dict[str, float]:
    """The sparsity that each parameter ends with; a parameter has one level."""
    final: dict[str, float] = {}
    for level in spec.levels:
        names = select(run.model, level.params, spec.tag)
        twice = next((name for name in names if name in final), None)
        if twice:
            raise RecipeError(f"{spec.tag}: `final_sparsity` gives `{twice}` two levels")
        final |= dict.fromkeys(names, level.sparsity)
    return final


def _initial(fields: Fields, kind: MaskType) -> float | None:
    if fields.entry.fields.get("init_sparsity") == FROM_PARAM:
        fields.ignored("init_sparsity")
        return None
    return kind.rounded(fields.number("init_sparsity", least=0, most=1))


def _levels(fields: Fields, kind: MaskType) -> tuple[Level, ...]:
    """What the parameters end with; a mask of N:M ends as exactly as its name says."""
    levels = _asked_levels(fields)
    return tuple(replace(x, sparsity=kind.complete(fields, "final_sparsity", x.sparsity)) for x in levels)


def _asked_levels(fields: Fields) -> tuple[Level, ...]:
    """`final_sparsity` for all of `params`, or a table of level to parameters with `params: []`."""
    final = fields.entry.fields.get("final_sparsity")
    params = fields.params(empty=isinstance(final, Mapping))
    if not isinstance(final, Mapping):
        return (Level(sparsity=fields.number("final_sparsity", least=0, most=1), params=params),)
    fields.ignored("final_sparsity")
    if params:
        fields.problem("params", "`params` must be [] where `final_sparsity` is a table that names the parameters")
    return tuple(_level(fields, text, names) for text, names in final.items()) or (Level(sparsity=0.0, params=()),)


def _level(fields: Fields, text: str, names: Any) -> Level:
    try:
        sparsity = float(text)
    except ValueError:
        sparsity = -1.0
    if not 0 <= sparsity <= 1:
        fields.problem(f"final_sparsity.{text}", f"a level of `final_sparsity` must be from 0 to 1, found {text}")
    if not isinstance(names, tuple) or not names or not all(isinstance(n, str) for n in names):
        fields.problem(f"final_sparsity.{text}", f"the level {text} of `final_sparsity` must list parameters")
        return Level(sparsity=sparsity, params=())
    return Level(sparsity=sparsity, params=fields.parameters(f"final_sparsity.{text}", names))


def _check_levels(fields: Fields, spec: GradualPruning) -> None:
    lowest = min(level.sparsity for level in spec.levels)
    if spec.init_sparsity is not None and 0 <= lowest < spec.init_sparsity:
        message = f"`final_sparsity` ({lowest:g}) must not be less than `init_sparsity` ({spec.init_sparsity:g})"
        fields.problem("final_sparsity", message, "a weight that has gone does not come back")
    if spec.is_global and len(spec.levels) > 1:
        fields.problem("final_sparsity", "one ranking over all parameters has one `final_sparsity`, not a table")
