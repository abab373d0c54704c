"""Quantization in training: `QuantizationModifier`, in the form that names submodules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, Moment, Phase, Promise, Run
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.span import begin, has_started, warn_if_never
from sparsebuild.numerics.sparsity_schedule import reached
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

__all__ = ["Quantization"]

_SCHEME_FORM = ("scheme", "scheme_overrides", "ignore", "strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """Fake-quantizes weights and inputs of Linears, embeddings and attention from `start_epoch` to the end.

    Outputs of layers are not quantized, and nor are those of embeddings: the next layer quantizes its input.
    """

    tag: ClassVar[str] = "QuantizationModifier"
    summary: ClassVar[str] = "trains with the rounding errors of the int8 model"

    start_epoch: float = -1.0
    end_epoch: float = field(default=-1.0, init=False)
    disable_quantization_observer_epoch: float | None = None  # from then on ranges are fixed; None: never
    submodules: tuple[str, ...] | None = None  # exact names; None: the whole model
    exclude_module_types: tuple[str, ...] = ()  # class names
    quantize_embeddings: bool = True  # of the whole model, wherever they lie
    quantize_attention: bool = True  # ours: the operands of both products of attention
    quantize_linear_activations: bool = True  # outputs: not done, see above
    weight_levels: int = 63  # ours: largest integer of a weight; 63 is safe on every CPU, 127 is 8 bits

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        for name in _SCHEME_FORM:
            if fields.has(name):
                fields.problem(
                    name,
                    f"`{name}` belongs to the form of {cls.tag} that has a scheme, which is not supported",
                    "write `submodules` and `exclude_module_types`",
                )
        fields.ignored(*(n for n in _SCHEME_FORM if fields.has(n)))
        start = fields.epoch("start_epoch", -1.0)
        submodules = fields.texts("submodules", None)
        spec = cls(
            start_epoch=start,
            disable_quantization_observer_epoch=_later(fields, "disable_quantization_observer_epoch", start),
            submodules=submodules and tuple(s.removeprefix("module.") for s in submodules),
            exclude_module_types=fields.texts("exclude_module_types", None) or (),
            quantize_embeddings=fields.flag("quantize_embeddings", True),
            quantize_attention=fields.flag("quantize_attention", True),
            quantize_linear_activations=fields.flag("quantize_linear_activations", True),
            weight_levels=fields.choice("weight_levels", (63, 127), 63),
        )
        _later(fields, "freeze_bn_stats_epoch", start)  # there is no batch normalisation to freeze
        _refuse_what_changes_numbers(fields)
        fields.finish()
        return spec

    def phases(self, epochs: float) -> Sequence[Phase]:
        bits = 7 if self.weight_levels == 63 else 8
        fixed = self.disable_quantization_observer_epoch
        turn = epochs if fixed is None else min(fixed, epochs)
        learned = Phase(
            modifier=self.tag,
            start=begin(self),
            end=turn,
            value=f"int8 in training, {bits} bits of the weights; ranges are learned",
        )
        if turn >= epochs:
            return (learned,)
        return (learned, Phase(modifier=self.tag, start=turn, end=epochs, value="int8 in training; ranges are fixed"))

    def attach(self, run: Run) -> Attached:
        warn_if_never(self.tag, self, run)
        self._check_submodules([name for name, _ in run.model.named_modules() if name])
        if self.quantize_linear_activations:
            run.log(
                f"{self.tag}: the inputs of Linears are quantized, their outputs are not; "
                "`quantize_linear_activations: 0` says so"
            )
        return _Quantizing(self, run)

    def _check_submodules(self, known: Sequence[str]) -> None:
        """Refuse a wrong name before the epochs that come before quantization."""
        for name in self.submodules or ():
            if name not in known:
                hint = did_you_mean(name, known) or f"the top ones are: {', '.join(n for n in known if '.' not in n)}"
                raise RecipeError(f"{self.tag}: the model has no submodule `{name}`", hint=hint)


class _Quantizing(Attached):
    def __init__(self, spec: Quantization, run: Run) -> None:
        self.spec = spec
        self.run = run
        self.is_on = self.is_fixed = False
        self.modules: tuple[str, ...] = ()

    def before_step(self, moment: Moment) -> None:
        from sparsebuild.training import quantization

        spec = self.spec
        if not self.is_on and has_started(spec, moment):
            quantized = quantization.quantize(
                self.run.model,
                submodules=spec.submodules,
                exclude_module_types=spec.exclude_module_types,
                embeddings=spec.quantize_embeddings,
                attention=spec.quantize_attention,
                weight_levels=spec.weight_levels,
            )
            self.is_on, self.modules = True, tuple(quantized)
            self.run.log(f"{spec.tag}: {len(quantized)} modules are quantized from epoch {moment.epoch:g} on")
        fixed = spec.disable_quantization_observer_epoch
        if self.is_on and not self.is_fixed and fixed is not None and reached(moment.epoch, fixed):
            quantization.freeze_observers(self.run.model)
            self.is_fixed = True

    def promises(self) -> Sequence[Promise]:
        return [Promise(modifier=self.spec.tag, modules=self.modules)] if self.is_on else []

    def restore(self, moment: Moment, state: object) -> None:
        """Bring the classes to where the step before had them; ranges and weights are loaded after this."""
        if moment.before is not None:
            self.before_step(moment.before)


def _later(fields: Fields, name: str, start: float) -> float | None:
    """An epoch that is not before `start`; none, or -1, means never."""
    if fields.entry.fields.get(name) is None:
        fields.ignored(name)
        return None
    epoch = fields.epoch(name)
    if epoch == -1:
        return None
    if epoch < start:
        fields.problem(name, f"`{name}` ({epoch:g}) must not be before `start_epoch` ({start:g})")
    return epoch


def _refuse_what_changes_numbers(fields: Fields) -> None:
    """SparseML's other settings: what would give other numbers than ours is refused, the rest means nothing here."""
    fields.only("end_epoch", (-1,), "quantization lasts to the end of training")
    fields.only("activation_bits", (8, None), "activations have 8 bits")
    fields.only("weight_bits", (8, None), "weights are int8", "see `weight_levels`")
    fields.only(
        "reduce_range", (False, 0, None), "activations have 8 bits", "see `weight_levels` for CPUs without VNNI"
    )
    fields.only("tensorrt", (False, 0, None), "activations are asymmetric")
    fields.only("model_fuse_fn_name", (None, "no_fuse", "conv_bn_relus"), "there is nothing to fuse in these models")
    for name in ("activation_qconfig_kwargs", "weight_qconfig_kwargs"):
        fields.only(name, (None, {}), "the quantizers are our own")
    fields.only("custom_quantizable_module_types", (None, (), []), "Linears, embeddings and attention are quantized")
    fields.ignored(
        "model_fuse_fn_kwargs",
        "quantize_conv_activations",
        "quantize_embedding_activations",
        "exclude_batchnorm",
        "num_calibration_steps",  # calibration happens in training
        "update_frequency",
    )
