"""Leaving out whole layers of the encoder: `LayerPruningModifier`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Phase, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.span import begin, is_active, until, warn_if_never
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LayerPruning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPruning:
    """From `start_epoch` on hidden states pass by the named layers; at `end_epoch`, if there is one, they work again.

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
        warn_if_never(self.tag, self, run)
        return _Skipping(self, run)


class _Skipping(Attached):
    def __init__(self, spec: LayerPruning, run: Run) -> None:
        self.spec = spec
        self.model = run.model
        _check(spec, run)
        self.is_out = False
        if begin(spec) == 0:  # before others look at the model
            self._set(True)

    def before_step(self, moment: Moment) -> None:
        self._set(is_active(self.spec, moment))

    def restore(self, moment: Moment, state: Mapping[str, Tensor]) -> None:
        if moment.before is not None:
            self._set(is_active(self.spec, moment.before))

    def _set(self, is_out: bool) -> None:
        from sparsebuild.training.skipped_layers import put_back, skip

        if is_out != self.is_out:
            (skip if is_out else put_back)(self.model, self.spec.layers)
            self.is_out = is_out


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
    if set(known) <= set(spec.layers):
        raise RecipeError(f"{spec.tag}: `layers` names all {len(known)} layers of the encoder; one has to stay")
