"""Cutting heads, neurons and layers out of the encoder: `StructuredPruningModifier`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sparsebuild.errors import Problem, RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Phase, Promise, Run
from sparsebuild.modifiers.budget import KINDS, Budget, CostModel, read_budget
from sparsebuild.modifiers.fields import Fields, whole
from sparsebuild.modifiers.layer_pruning import check_cuts
from sparsebuild.modifiers.parameters import select
from sparsebuild.modifiers.span import begin
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.numerics.sparsity_schedule import first_step
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["StructuredPruning", "Targets", "after_cuts", "at_least"]

_LEAST = LayerShape(heads=1, neurons=1)
_ROUNDING = 1e-9  # what sums of costs may be off by


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """How much is to be left; None: as much as there is."""

    heads: int | None = None  # of a layer
    ffn: int | None = None  # neurons of a layer
    layers: int | None = None
    budget: Budget | None = None  # chooses heads and neurons

    @property
    def asks_for_time(self) -> bool:
        return self.budget is not None and self.budget.kind == "latency"

    def of_layer(self, dense: LayerShape) -> LayerShape:
        """What a layer is left with that had `dense`."""
        heads = dense.heads if self.heads is None else min(self.heads, dense.heads)
        return LayerShape(heads=heads, neurons=dense.neurons if self.ffn is None else min(self.ffn, dense.neurons))


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredPruning:
    """The model gets narrower and shorter: what is cut is gone, not zero, and Adam's moments of it too.

    The first cut is at `start_epoch`, the last at `end_epoch`, and they are evenly spaced; each goes the same part of
    the way and scores anew. With `uniform` each layer keeps as many as `targets` says; else that is the mean over
    layers, and the layers where they matter least lose most, down to `minimum`.

    A budget in `targets` chooses heads and neurons of each layer together: the highest scores that can be afforded.

    SparseML's modifier of this name sets rows to zero by their norms and leaves it to LayerThinningModifier to remove
    them, which knew convolutional networks alone; ours has other settings.
    """

    tag: ClassVar[str] = "StructuredPruningModifier"
    summary: ClassVar[str] = "cuts heads, neurons and layers out of the encoder"

    start_epoch: float = 0.0
    end_epoch: float = -1.0
    cuts: int = 1
    targets: Targets
    uniform: bool = True
    minimum: LayerShape = _LEAST  # of each layer
    score: str = "fisher"

    @classmethod
    def read(cls, entry: Entry) -> Self:
        if "params" in entry.fields:
            message = f"`{cls.tag}` in SparseML's form, with `params`, is not supported"
            hint = "write `targets`: how many heads, neurons or layers are to be left, such as {ffn: 384, heads: 8}"
            raise RecipeError(Problem(message=message, position=entry.position, hint=hint))
        fields = Fields(entry)
        start, end = fields.span(start=0.0)
        budget = read_budget(fields)
        spec = cls(
            start_epoch=start,
            end_epoch=end,
            cuts=fields.integer("cuts", 1, least=1),
            targets=Targets(**_table(fields, "targets", ("ffn", "heads", "layers"), besides=KINDS), budget=budget),
            uniform=fields.flag("uniform", budget is None),
            minimum=_minimum(**_table(fields, "minimum", ("ffn", "heads"))),
            score=fields.choice("score", ("fisher", "magnitude"), "fisher"),
        )
        if spec.targets == Targets() and not fields.problems:
            fields.problem(
                "targets",
                "`targets` must say how many are to be left, such as {ffn: 384, heads: 8} or {latency: 0.25}",
            )
        if spec.cuts > 1 and end == -1:
            fields.problem("end_epoch", f"`end_epoch` must say when the last of {spec.cuts} cuts is")
        for name in ("heads", "ffn"):
            wanted, least = getattr(spec.targets, name), _count(spec.minimum, name)
            if wanted is not None and wanted < least:
                found = f"`targets.{name}` ({wanted}) must not be less than `minimum.{name}` ({least})"
                fields.problem("targets", found)
        fields.finish()
        return spec

    @property
    def is_known(self) -> bool:
        """Whether the settings alone say how many heads and neurons each layer keeps."""
        return self.uniform and self.targets.budget is None

    def too_much(self, most: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        """The settings that keep more than there is, and what is wrong with each."""
        for what, there in most.items():
            wanted = getattr(self.targets, what)
            if wanted is not None and wanted > there:
                yield f"targets.{what}", f"{self.tag}: `targets.{what}` is {wanted}, and the model has {there}"

    @property
    def cut_epochs(self) -> tuple[float, ...]:
        """When each cut is."""
        start, pieces = begin(self), max(self.cuts - 1, 1)
        return tuple(start + (self.end_epoch - start) * i / pieces if i else start for i in range(self.cuts))

    def phases(self, epochs: float) -> Sequence[Phase]:
        each = "a layer" if self.uniform else "a layer on average"
        words = {"heads": f"heads {each}", "ffn": f"neurons {each}", "layers": "layers"}
        told = ", ".join(f"{n} {word}" for what, word in words.items() if (n := getattr(self.targets, what)))
        told = f"{told} stay" if told else ""
        if self.targets.budget:
            told = ", ".join(part for part in (f"cut down to {self.targets.budget}", told) if part)
        often = f" in {self.cuts} cuts" if self.cuts > 1 else ""
        start, end = begin(self), self.cut_epochs[-1] if self.cuts > 1 else epochs
        return (Phase(modifier=self.tag, start=start, end=end, value=f"{told}{often}, by {self.score}"),)

    def attach(self, run: Run) -> Attached:
        return _Cutting(self, run)


def after_cuts(weights: Mapping[str, Tensor], run: Run) -> dict[str, tuple[int, ...]]:
    """The shapes that `weights` have after all cuts; where a recipe does not tell those, the ones they have now."""
    import torch

    from sparsebuild.training.shapes import kept, shapes

    found = {name: tuple(weight.shape) for name, weight in weights.items()}
    cuts = [s for s in run.specs if isinstance(s, StructuredPruning) and begin(s) < run.epochs]
    if not cuts or not all(spec.is_known for spec in cuts):
        return found
    for layer, left in shapes(run.model).items():
        for spec in cuts:
            left = spec.targets.of_layer(left)
        heads, neurons = torch.arange(left.heads), torch.arange(left.neurons)
        for name, (dimension, places) in kept(run.model, layer, heads=heads, neurons=neurons).items():
            if name in found:
                shape = found[name]
                found[name] = (*shape[:dimension], len(places), *shape[dimension + 1 :])
    return found


def at_least(promises: Sequence[Promise], run: Run) -> list[Promise]:
    """Of zeros in weights that are cut as well: of what stays more may have gone by then, and does not come back."""
    is_cut = any(isinstance(s, StructuredPruning) and begin(s) < run.epochs for s in run.specs)
    return [replace(promise, at_least=True) for promise in promises] if is_cut else list(promises)


# By layer: of its `heads` (heads,), of its neurons `ffn` (neurons,), and of the whole `layer` ().
Scores = Mapping[str, Mapping[str, "Tensor"]]


class _Cutting(Attached):
    def __init__(self, spec: StructuredPruning, run: Run) -> None:
        self.spec, self.run = spec, run
        self.dense = _at_work(run.model)
        _check_targets(spec, self.dense)
        check_cuts(spec.tag, spec.cut_epochs, run)
        _check_patterns(spec, run)
        self.costs = _cost_model(spec, self.dense, run)
        self.steps = [min(first_step(epoch, run.steps_per_epoch), run.last_step) for epoch in spec.cut_epochs]
        if begin(spec) >= run.epochs:
            self.steps = []

    def before_step(self, moment: Moment) -> None:
        for number, step in enumerate(self.steps, 1):
            if step == moment.step:
                self._cut(moment, number)

    def figures(self) -> Mapping[str, float]:
        return {"encoder_parameters": float(_size(self.run.model))} if self.steps else {}

    def promises(self) -> Sequence[Promise]:
        """Each layer as narrow as `targets` says; where that is a mean, as narrow as it has become."""
        if not self.steps:
            return ()
        left = _at_work(self.run.model)
        if self.spec.is_known:
            left = {name: self.spec.targets.of_layer(self.dense[name]) for name in left}
        return [Promise(modifier=self.spec.tag, shapes=left)]

    def state(self) -> Mapping[str, Tensor]:
        import torch

        from sparsebuild.training.shapes import shapes

        there, left = shapes(self.run.model), _at_work(self.run.model)
        rows = [[there[name].heads, there[name].neurons, int(name in left)] for name in self.dense]
        return {"shapes": torch.tensor(rows)}

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        from sparsebuild.training.shapes import resize
        from sparsebuild.training.skipped_layers import skip

        rows = dict(zip(self.dense, state["shapes"].tolist(), strict=True))
        if self.spec.targets.layers:
            skip(self.run.model, [name for name, (_, _, is_left) in rows.items() if not is_left], for_good=True)
        resize(self.run.model, {name: LayerShape(heads=h, neurons=n) for name, (h, n, _) in rows.items()})

    # ---- a cut

    def _cut(self, moment: Moment, number: int) -> None:
        from sparsebuild.training.shapes import Kept, kept
        from sparsebuild.training.skipped_layers import skip

        model, part = self.run.model, number / self.spec.cuts
        scores = self._scores(moment, number)
        out = self._worst_layers(scores, part)
        skip(model, out, for_good=True)
        scores = {name: found for name, found in scores.items() if name not in out}
        targets = self.spec.targets
        stay = {what: self._staying(what, scores, part) for what in ("heads", "ffn") if getattr(targets, what)}
        if self.costs and targets.budget:
            stay = self._affordable(self.costs, targets.budget.share, scores, part)
        keep: dict[str, Any] = {}
        for name in scores:
            places = {what: found[name] for what, found in stay.items()}
            mine: Kept = kept(model, name, heads=places.get("heads"), neurons=places.get("ffn"))
            keep |= mine
        assert self.run.cut is not None
        self.run.cut(keep)
        self.run.log(f"{self.spec.tag}: {_told(_at_work(model))}")

    def _worst_layers(self, scores: Scores, part: float) -> list[str]:
        """Those that go at this cut."""
        from sparsebuild.training.skipped_layers import staying

        keep = _on_the_way(len(self.dense), self.spec.targets.layers or len(self.dense), part)
        free = [name for name in scores if name not in staying(self.run.model)]
        worst_first = sorted(free, key=lambda name: float(scores[name]["layer"]))
        return worst_first[: max(len(scores) - keep, 0)]

    def _staying(self, what: str, scores: Scores, part: float) -> dict[str, Tensor]:
        """The places of each layer's heads, or neurons, that stay after this cut."""
        from sparsebuild.numerics.structures import best, best_of_all

        found = {name: of_layer[what] for name, of_layer in scores.items()}
        dense = {name: self.dense[name] for name in found}
        goals = {
            name: _on_the_way(_count(shape, what), _count(self.spec.targets.of_layer(shape), what), part)
            for name, shape in dense.items()
        }
        if self.spec.uniform:
            return {name: best(of_layer, goals[name]) for name, of_layer in found.items()}
        return best_of_all(found, sum(goals.values()), _count(self.spec.minimum, what))

    def _affordable(self, costs: CostModel, share: float, scores: Scores, part: float) -> dict[str, dict[str, Tensor]]:
        """The same of heads and neurons together, under a budget."""
        from sparsebuild.numerics.budget import DoesNotFit, best_plan, best_uniform_plan
        from sparsebuild.numerics.structures import best

        heads, neurons = ([of_layer[what].tolist() for of_layer in scores.values()] for what in ("heads", "ffn"))
        left = [LayerShape(heads=len(h), neurons=len(n)) for h, n in zip(heads, neurons, strict=True)]
        start, choices = costs.share(list(self.dense.values())), costs.choices(left, self.spec.minimum)
        goal = share if part == 1 else max(start + (share - start) * part, choices.least * (1 + _ROUNDING))
        try:
            plan = (best_uniform_plan if self.spec.uniform else best_plan)(heads, neurons, choices, goal)
        except DoesNotFit as error:  # the layers that stay are not the cheapest
            raise _too_little(self.spec, len(left), error.least) from None
        whole = sum(map(sum, [*heads, *neurons]))
        self.run.log(
            f"{self.spec.tag}: what stays takes {plan.cost:.3f} {costs.meaning}, by the estimate; "
            f"{plan.lost / whole if whole else 0:.1%} of all scores go"
        )
        kept = dict(zip(scores, plan.shapes, strict=True))
        return {
            what: {name: best(of_layer[what], _count(kept[name], what)) for name, of_layer in scores.items()}
            for what in ("heads", "ffn")
        }

    def _scores(self, moment: Moment, number: int) -> Scores:
        from sparsebuild.numerics.structures import gate_gradients, magnitudes
        from sparsebuild.training.shapes import projections

        left = _at_work(self.run.model)
        groups = [n for shape in left.values() for n in (shape.heads, shape.neurons)]
        weights = [linear.weight for name in left for linear in projections(self.run.model, name)]
        if self.spec.score == "magnitude":
            sizes = [magnitudes(w.detach(), n) for w, n in zip(weights, groups, strict=True)]
            return _by_layer(left, sizes, [size.sum() for size in sizes])
        if self.run.gradients is None:
            raise RecipeError(f"{self.spec.tag} needs labelled text to score with", hint="or `score: magnitude`")
        self.run.log(f"{self.spec.tag}: scores are taken over all labelled text, at epoch {moment.epoch:g}")
        places = [w.new_zeros(n) for w, n in zip(weights, groups, strict=True)]
        wholes = [w.new_zeros(()) for w in weights]
        for gradients in self.run.gradients(weights, key=number, count=None, size=None):
            for i, (w, g, n) in enumerate(zip(weights, gradients, groups, strict=True)):
                gates = gate_gradients(w.detach(), g, n)
                places[i] += gates.square()
                wholes[i] += gates.sum().square()
        return _by_layer(left, places, wholes)


def _by_layer(names: Sequence[str] | Mapping[str, Any], places: Sequence[Tensor], wholes: Sequence[Tensor]) -> Scores:
    """From lists in which heads and neurons of one layer after the other stand."""
    return {
        name: {"heads": places[2 * i], "ffn": places[2 * i + 1], "layer": wholes[2 * i] + wholes[2 * i + 1]}
        for i, name in enumerate(names)
    }


def _at_work(model: Any) -> dict[str, LayerShape]:
    """The shapes of the layers that are not left out."""
    from sparsebuild.training.shapes import shapes
    from sparsebuild.training.skipped_layers import skipped

    out = skipped(model)
    return {name: shape for name, shape in shapes(model).items() if name not in out}


def _size(model: nn.Module) -> int:
    """The parameters of the layers that are not left out."""
    return sum(p.numel() for name in _at_work(model) for p in model.get_submodule(name).parameters())


def _on_the_way(start: int, end: int, part: float) -> int:
    return start + round((end - start) * part)


def _count(shape: LayerShape, what: str) -> int:
    return shape.heads if what == "heads" else shape.neurons


def _told(left: Mapping[str, LayerShape]) -> str:
    """As people read it: "8 heads and 384 neurons are left in each of 6 layers"."""
    there = list(left.values())
    if len(set(there)) == 1:
        return f"{there[0].heads} heads and {there[0].neurons} neurons are left in each of {len(there)} layers"
    heads, neurons = (", ".join(str(_count(shape, what)) for shape in there) for what in ("heads", "ffn"))
    return f"{len(there)} layers are left, with heads {heads} and neurons {neurons}"


def _minimum(heads: int = 1, ffn: int = 1) -> LayerShape:
    return LayerShape(heads=heads, neurons=ffn)


def _table(fields: Fields, name: str, known: Sequence[str], besides: Sequence[str] = ()) -> dict[str, int]:
    """A table of whole numbers from 1; `besides` are keys that others read."""
    given = fields.entry.fields.get(name, {})
    fields.ignored(name)
    if not isinstance(given, Mapping):
        fields.problem(name, f"`{name}` must be a table of {', '.join(known)}, such as {{{known[0]}: 384}}")
        return {}
    right = {}
    for key, value in given.items():
        if key in besides:
            continue
        if key not in known:
            every = (*known, *besides)
            hint = did_you_mean(key, every) or f"there are: {', '.join(every)}"
            fields.problem(f"{name}.{key}", f"`{name}` has no `{key}`", hint)
        elif (number := whole(value)) is None or number < 1:
            fields.problem(f"{name}.{key}", f"`{name}.{key}` must be a whole number from 1, found {value}")
        else:
            right[key] = number
    return right


def _cost_model(spec: StructuredPruning, dense: Mapping[str, LayerShape], run: Run) -> CostModel | None:
    """What shapes cost where there is a budget; one that cannot be kept is refused before training."""
    budget = spec.targets.budget
    if budget is None:
        return None
    costs = CostModel.of(budget, run.model, run.dense or list(dense.values()), run.kernel_times, spec.tag)
    layers = spec.targets.layers or len(dense)
    least = costs.least(list(dense.values()), spec.minimum, layers)
    if least > budget.share:
        raise _too_little(spec, layers, least)
    return costs


def _too_little(spec: StructuredPruning, layers: int, least: float) -> RecipeError:
    budget = spec.targets.budget
    assert budget is not None
    return RecipeError(
        f"{spec.tag}: `targets.{budget.kind}` asks for {budget}, and the smallest shapes of {layers} layers take "
        f"{least:.3f}",
        hint="allow more, fewer `layers`, or a lower `minimum`",
    )


def _check_targets(spec: StructuredPruning, dense: Mapping[str, LayerShape]) -> None:
    """Refuse to keep more than there is."""
    most = {
        "heads": max(shape.heads for shape in dense.values()),
        "ffn": max(shape.neurons for shape in dense.values()),
        "layers": len(dense),
    }
    for _, message in spec.too_much(most):
        raise RecipeError(message)


def _check_patterns(spec: StructuredPruning, run: Run) -> None:
    """Refuse to cut what holds zeros in a pattern by then, which cannot follow."""
    import torch

    from sparsebuild.training.shapes import kept, shapes

    targets = spec.targets
    for other in run.specs:
        kind = getattr(other, "mask_type", None)
        if kind is None or kind.text == "unstructured" or begin(other) >= spec.cut_epochs[-1]:
            continue
        levels: Sequence[Any] = getattr(other, "levels", (other,))
        patterned = {name for level in levels for name in select(run.model, level.params, other.tag)}
        for layer, shape in shapes(run.model).items():
            heads = torch.arange(shape.heads) if targets.heads or targets.budget else None
            neurons = torch.arange(shape.neurons) if targets.ffn or targets.budget else None
            for name in sorted(patterned.intersection(kept(run.model, layer, heads=heads, neurons=neurons))):
                raise RecipeError(
                    f"{spec.tag} cuts at epoch {spec.cut_epochs[-1]:g}, and {other.tag} holds zeros of `{name}` as "
                    f"`mask_type: {kind.text}` says from epoch {begin(other):g} on: a pattern cannot be cut",
                    hint="cut before weights are pruned in patterns",
                )
