"""Leaving out whole layers of the encoder: `LayerPruningModifier`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.span import begin, is_active, until
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NAME_OTHERS", "LayerPruning", "absences", "check_cuts", "check_left", "check_zeros", "nothing_left"]

NAME_OTHERS = "name weights of layers that stay, or take the modifier out"  # what helps against `nothing_left`


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPruning:
    """From `start_epoch` on hidden states pass by the named layers; at `end_epoch`, if there is one, they work again,
    but for those that another entry still leaves out.

    Layers that are out when training ends are not saved, and the others are numbered anew, so that anything opens the
    model and it is as small and fast as it looks. (SparseML leaves identities in their place, which only its own recipe
    can put there again, and takes any module; ours are whole layers of an encoder.)
    """

    tag: ClassVar[str] = "LayerPruningModifier"
    summary: ClassVar[str] = "leaves out whole layers"

    start_epoch: float = -1.0
    end_epoch: float = -1.0
    layers: tuple[str, ...]  # full names, such as "bert.encoder.layer.3"

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start, end = fields.span()
        spec = cls(start_epoch=start, end_epoch=end, layers=_layers(fields))
        fields.ignored("update_frequency")
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        told = f"{len(self.layers)} layers are left out" if len(self.layers) > 1 else f"{self.layers[0]} is left out"
        return (Phase(modifier=self.tag, start=begin(self), end=until(self, epochs), value=told),)

    def attach(self, run: Run) -> Attached:
        return _Skipping(self, run)


def absences(run: Run) -> dict[str, list[tuple[float, float]]]:
    """From when to when each layer is out, by all modifiers together; to infinity if it does not come back."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for spec in run.specs:
        if isinstance(spec, LayerPruning) and begin(spec) < run.epochs:
            back = until(spec, run.epochs)
            for name in spec.layers:
                spans.setdefault(name, []).append((begin(spec), back if back < run.epochs else math.inf))
    return {name: _merged(sorted(several)) for name, several in spans.items()}


def check_zeros(tag: str, last: float, weights: Iterable[str], run: Run, *, together: bool) -> None:
    """Refuse zeros, all there from the epoch `last` on, that are not those of the layers that are saved.

    With `together` all weights have one ranking.
    """
    names = list(weights)
    for layer, spans in absences(run).items():
        if not any(name.startswith(f"{layer}.") for name in names):
            continue
        for out, back in spans:
            if out < last < back < math.inf:
                what = f"while `{layer}` is left out: it would come back at epoch {back:g} with too few zeros"
                raise _too_soon(tag, last, what, back)
            if together and last <= out and back == math.inf:
                what = f"before `{layer}` is left out at epoch {out:g}: it takes zeros with it that were counted"
                raise _too_soon(tag, last, what, out)


def check_left(tag: str, last: float, weights: Iterable[str], run: Run) -> None:
    """Refuse to remove weights, for the last time at the epoch `last`, whose layers are all out then."""
    last = min(last, run.epochs)
    out = tuple(f"{name}." for name, spans in absences(run).items() if any(a <= last < b for a, b in spans))
    if all(name.startswith(out) for name in weights):
        raise RecipeError(nothing_left(tag, last), hint=NAME_OTHERS)


def nothing_left(tag: str, epoch: float) -> str:
    """What to say of a modifier that can remove nothing."""
    return f"{tag}: at epoch {epoch:g} every layer whose weights it removes is left out, so there is nothing to remove"


def check_cuts(tag: str, cuts: Sequence[float], run: Run) -> None:
    """Refuse to cut while a layer is out that comes back."""
    for layer, spans in absences(run).items():
        for out, back in spans:
            missed = [epoch for epoch in cuts if (out < epoch or out == 0) and epoch <= back]
            if missed and back < math.inf:
                raise RecipeError(
                    f"{tag} cuts at epoch {missed[0]:g}, while `{layer}` is left out until epoch {back:g}: it would "
                    "come back as wide as it was",
                    hint=f"cut after epoch {back:g}",
                )


class _Skipping(Attached):
    def __init__(self, spec: LayerPruning, run: Run) -> None:
        self.spec = spec
        self.model = run.model
        self.all = [other for other in run.specs if isinstance(other, LayerPruning)]
        _check(spec, run)
        self.out: set[str] = set()
        if begin(spec) == 0:  # before others look at the model
            self._set(set(spec.layers))

    def before_step(self, moment: Moment) -> None:
        self._set(self._named(moment))

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        if moment.before is not None:
            self._set(self._named(moment.before))

    def _named(self, moment: Moment) -> set[str]:
        """Those of its layers that any modifier wants out: when one ends, another may go on."""
        return {name for spec in self.all if is_active(spec, moment) for name in spec.layers} & {*self.spec.layers}

    def _set(self, out: set[str]) -> None:
        from sparsebuild.training.skipped_layers import put_back, skip

        skip(self.model, sorted(out - self.out))
        put_back(self.model, sorted(self.out - out))
        self.out = out


def _too_soon(tag: str, last: float, what: str, wanted: float) -> RecipeError:
    message = f"{tag} removes weights for the last time at epoch {last:g}, {what}"
    return RecipeError(message, hint=f"let {tag} go on after epoch {wanted:g}, or change when the layer is left out")


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """`spans`, sorted, without those that lie in others or go on where others end."""
    found: list[tuple[float, float]] = []
    for out, back in spans:
        if found and out <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], back))
        else:
            found.append((out, back))
    return found


def _layers(fields: Fields) -> tuple[str, ...]:
    layers = fields.texts("layers", default=()) or ()
    if not layers and not fields.problems:
        fields.problem("layers", "`layers` must list at least one layer, such as bert.encoder.layer.3")
    return tuple(dict.fromkeys(layers))


def _check(spec: LayerPruning, run: Run) -> None:
    """Refuse what is no layer, and to leave out all there are."""
    from sparsebuild.training.skipped_layers import layers, staying

    known = layers(run.model)
    for name in spec.layers:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise RecipeError(f"{spec.tag}: `{name}` is no layer of the model's encoder", hint=hint)
    for name in set(staying(run.model)) & set(spec.layers):
        raise RecipeError(
            f"{spec.tag}: `{name}` cannot be left out: it is built otherwise than the other layers, and none of them "
            "can take its place",
            hint=f"there are: {', '.join(other for other in known if other != name)}",
        )
    absent = absences(run)
    for epoch in sorted(out for spans in absent.values() for out, _ in spans):
        if all(any(out <= epoch < back for out, back in absent.get(name, ())) for name in known):
            whole = f"all {len(known)} layers of the encoder"
            raise RecipeError(f"{spec.tag}: from epoch {epoch:g} on {whole} are left out; one has to stay")
