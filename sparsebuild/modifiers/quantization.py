"""Quantization in training: `QuantizationModifier`, in both forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import Attached, FileGrid, Moment, Phase, Promise, Run
from sparsebuild.modifiers.elsewhere import instead
from sparsebuild.modifiers.fields import Fields
from sparsebuild.modifiers.modules import lies_in, longest, means
from sparsebuild.modifiers.quantization_forms import (
    LEGACY_FORM,
    SCHEME_FORM,
    legacy_schemes,
    overrides,
    scheme,
    weight_levels,
)
from sparsebuild.modifiers.span import begin, has_started
from sparsebuild.numerics.quantization_scheme import PORTABLE_BITS, Grid, Scheme, of_linear
from sparsebuild.numerics.sparsity_schedule import reached
from sparsebuild.recipe import Entry
from sparsebuild.registry import did_you_mean

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Quantization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """Fake-quantizes from `start_epoch` to the end: by submodules, or, with `scheme` and its like, every layer.

    Differences from SparseML on purpose. Weights of a Linear have a scale for each channel unless a scheme says
    `strategy: tensor`, and 7 of their 8 bits unless `weight_levels` is 127; their largest value is never cut off.
    Outputs are quantized where a recipe says so, not where it is silent. Attention is, unless `quantize_attention` is
    false. Ranges learn from training batches alone, and all of them are fixed at
    `disable_quantization_observer_epoch`, the classifier's too, but those of what another entry has quantized before.
    Names in a scheme stand for whole parts: `layer.1` is not `layer.11`. An entry with the settings of neither form
    names all submodules.
    """

    tag: ClassVar[str] = "QuantizationModifier"
    summary: ClassVar[str] = "trains with the rounding errors of the int8 model"

    start_epoch: float = -1.0
    end_epoch: float = field(default=-1.0, init=False)
    disable_quantization_observer_epoch: float | None = None  # from then on ranges are fixed; None: never
    quantize_attention: bool = True  # ours: the operands of both products of attention
    linear: Scheme  # of Linears; in the form with a scheme, of every layer, as it is written
    # the form that names submodules
    submodules: tuple[str, ...] | None = None  # exact names; None: the whole model
    exclude_module_types: tuple[str, ...] = ()  # class names
    custom_quantizable_module_types: tuple[str, ...] = ()  # class names, of which the inputs are quantized as well
    embedding: Scheme | None = None  # of all embeddings, wherever they lie; None: they are not quantized
    attention: Scheme | None = None
    # the form with a scheme
    has_scheme: bool = False
    weight_levels: int = 63  # ours: what 8 bits of a Linear's weight are, 63 levels for every CPU or all 127
    overrides: tuple[tuple[str, Scheme], ...] = ()
    ignore: tuple[str, ...] = ()
    strict: bool = True
    follows_export: bool = True  # ours: where the recipe does not say, weights have the levels of the exported file
    says_bits: bool = False  # the recipe gives `weight_bits` fewer than 8
    is_silent_on_outputs: bool = False  # it leaves `quantize_linear_activations` out

    @classmethod
    def read(cls, entry: Entry) -> Self:
        fields = Fields(entry)
        start = fields.epoch("start_epoch", -1.0)
        has_scheme = any(fields.has(name) for name in SCHEME_FORM)
        form = cls._scheme_form(fields, start) if has_scheme else cls._legacy_form(fields, start)
        _later(fields, "freeze_bn_stats_epoch", start)  # there is no batch normalisation to freeze
        fields.only("end_epoch", (-1,), "quantization lasts to the end of training")
        fuse = (None, "no_fuse", "conv_bn_relus")
        fields.only("model_fuse_fn_name", fuse, "there is nothing to fuse in these models")
        fields.ignored("model_fuse_fn_kwargs", "num_calibration_steps", "update_frequency")  # training calibrates
        fields.finish()
        return form

    @classmethod
    def _legacy_form(cls, fields: Fields, start: float) -> Self:
        linear, embedding, attention = legacy_schemes(fields)
        submodules = fields.texts("submodules", None)
        is_silent = not fields.has("quantize_linear_activations")
        fields.ignored("quantize_conv_activations", "exclude_batchnorm")  # there are none
        return cls(
            start_epoch=start,
            disable_quantization_observer_epoch=_fixed_from(fields, start),
            quantize_attention=fields.flag("quantize_attention", True),
            linear=linear,
            submodules=submodules and tuple(s.removeprefix("module.") for s in submodules),
            exclude_module_types=fields.texts("exclude_module_types", None) or (),
            custom_quantizable_module_types=fields.texts("custom_quantizable_module_types", None) or (),
            embedding=embedding if fields.flag("quantize_embeddings", True) else None,
            follows_export=_follows_export(fields),
            attention=attention,
            says_bits=fields.entry.fields.get("weight_bits") not in (None, 8),
            is_silent_on_outputs=is_silent and not fields.entry.fields.get("tensorrt"),
        )

    @classmethod
    def _scheme_form(cls, fields: Fields, start: float) -> Self:
        mixed = [name for name in LEGACY_FORM if fields.has(name)]
        fields.ignored(*mixed)
        for name in mixed:
            message = f"`{name}` belongs to the form of {cls.tag} that names submodules, not to that with a scheme"
            fields.problem(name, message, f"leave it out, or {' and '.join(n for n in SCHEME_FORM if fields.has(n))}")
        return cls(
            start_epoch=start,
            disable_quantization_observer_epoch=_fixed_from(fields, start),
            quantize_attention=fields.flag("quantize_attention", True),
            linear=scheme(fields),
            weight_levels=weight_levels(fields),
            follows_export=_follows_export(fields),
            has_scheme=True,
            overrides=overrides(fields),
            ignore=fields.texts("ignore", None) or (),
            strict=fields.flag("strict", True),
        )

    @property
    def weight_bits(self) -> int:
        """The most bits that a Linear's weights may get, 0 for none: what an export has to express."""
        if self._leaves_linears:
            return 0
        if not self.has_scheme:
            return self.linear.weights.bits if self.linear.weights else 0
        written = (self.linear, *(s for name, s in self.overrides if name != "Embedding"))
        return max(s.weights.bits if s.weights else 0 for s in (of_linear(s, self.weight_levels) for s in written))

    @property
    def _leaves_linears(self) -> bool:
        """Whether no Linear is quantized, whatever the model is."""
        return self.submodules == () or "Linear" in (*self.exclude_module_types, *self.ignore)

    def weights_of(self, linears: Iterable[str]) -> Iterator[Grid]:
        """The grids of the weights of these Linears, without those that it leaves alone."""
        chosen = dict(self.overrides)
        for name in linears:
            if self.has_scheme:
                decides = longest(chosen, name, "Linear")
                is_meant = not any(means(entry, name, "Linear") for entry in self.ignore)
                grid = of_linear(chosen[decides] if decides else self.linear, self.weight_levels).weights
            else:
                is_meant = self.submodules is None or any(lies_in(name, inside) for inside in self.submodules)
                is_meant = is_meant and "Linear" not in self.exclude_module_types
                grid = self.linear.weights
            if is_meant and grid:
                yield grid

    def phases(self, epochs: float) -> Sequence[Phase]:
        fixed = self.disable_quantization_observer_epoch
        turn = epochs if fixed is None else min(fixed, epochs)
        learned = Phase(
            modifier=self.tag,
            start=begin(self),
            end=turn,
            value=f"int8 in training, {self.weight_bits} bits of the weights; ranges are learned",
        )
        if turn >= epochs:
            return (learned,)
        return (learned, Phase(modifier=self.tag, start=turn, end=epochs, value="int8 in training; ranges are fixed"))

    def attach(self, run: Run) -> Attached:
        return self.for_file(run.file_grid)._attach(run)

    def for_file(self, grid: FileGrid) -> Self:
        """The same, rounding as the exported file will, as far as the recipe leaves that open."""
        levels = grid.weight_levels if self.follows_export else self.weight_levels
        linear, attention = self.linear, self.attention
        is_open = self.follows_export and not self.has_scheme and not self.says_bits
        if is_open and linear.weights and linear.weights.bits == PORTABLE_BITS:
            linear = replace(linear, weights=replace(linear.weights, bits=levels.bit_length() + 1))
        chosen = self.overrides
        if grid.symmetric_activations:
            linear, attention = _symmetric(linear), attention and _symmetric(attention)
            chosen = tuple((name, _symmetric(scheme)) for name, scheme in chosen)
        return replace(self, linear=linear, attention=attention, overrides=chosen, weight_levels=levels)

    def _attach(self, run: Run) -> Attached:
        self._check_submodules([name for name, _ in run.model.named_modules() if name])
        self.plan(run.model)  # a wrong name is told before the epochs that come before quantization
        if self.is_silent_on_outputs:
            run.log(
                f"{self.tag}: the inputs of Linears are quantized, their outputs are not; "
                "`quantize_linear_activations: 0` says so, and 1 quantizes them"
            )
        return _Quantizing(self, run)

    def plan(self, model: nn.Module) -> Mapping[str, Scheme]:
        """The scheme of every module of `model` that is to be quantized, by name."""
        from sparsebuild.training.quantization_plan import scheme_plan, submodule_plan

        if self.has_scheme:
            return scheme_plan(
                model,
                scheme=self.linear,
                overrides=dict(self.overrides),
                weight_levels=self.weight_levels,
                ignore=self.ignore,
                is_strict=self.strict,
                attention=self.quantize_attention,
                tag=self.tag,
            )
        return submodule_plan(
            model,
            submodules=self.submodules,
            exclude_module_types=self.exclude_module_types,
            linear=self.linear,
            embedding=self.embedding,
            attention=self.attention if self.quantize_attention else None,
            custom=dict.fromkeys(self.custom_quantizable_module_types, Scheme(inputs=self.linear.inputs)),
        )

    def _check_submodules(self, known: Sequence[str]) -> None:
        for name in self.submodules or ():
            if name not in known:
                hint = instead(name) or did_you_mean(name, known)
                hint = hint or f"the top ones are: {', '.join(n for n in known if '.' not in n)}"
                raise RecipeError(f"{self.tag}: the model has no submodule `{name}`", hint=hint)


class _Quantizing(Attached):
    def __init__(self, spec: Quantization, run: Run) -> None:
        self.spec = spec
        self.run = run
        self.is_on = self.is_fixed = False
        self.modules: tuple[str, ...] = ()
        self.mine: frozenset[str] = frozenset()  # of these, what others had not quantized before

    def before_step(self, moment: Moment) -> None:
        if self._brought_to(moment):
            told = f"{len(self.modules)} modules are quantized from epoch {moment.epoch:g} on"
            self.run.log(f"{self.spec.tag}: {told}")

    def _brought_to(self, moment: Moment) -> bool:
        """Quantize and fix ranges as it is time; whether quantization begins with this."""
        from sparsebuild.training import quantization

        spec, model = self.spec, self.run.model
        begins = not self.is_on and has_started(spec, moment)
        if begins:
            plan = spec.plan(model)
            self.mine = frozenset(plan) - {name for name, _ in quantization.quantized_modules(model)}
            self.is_on, self.modules = True, tuple(quantization.apply_plan(model, plan))
        fixed = spec.disable_quantization_observer_epoch
        if self.is_on and not self.is_fixed and fixed is not None and reached(moment.epoch, fixed):
            quantization.freeze_observers(model, self.mine)
            self.is_fixed = True
        return begins

    def promises(self) -> Sequence[Promise]:
        return [Promise(modifier=self.spec.tag, modules=self.modules)] if self.is_on else []

    def restore(self, moment: Moment, state: object) -> None:
        """Bring the classes to where the step before had them; ranges and weights are loaded after this."""
        if moment.before is not None:
            self._brought_to(moment.before)


def _follows_export(fields: Fields) -> bool:
    return fields.entry.fields.get("weight_levels") is None


def _symmetric(scheme: Scheme) -> Scheme:
    """The scheme with symmetric activations."""
    around = {part: grid and replace(grid, symmetric=True) for part, grid in _activations(scheme).items()}
    return replace(scheme, **around)


def _activations(scheme: Scheme) -> dict[str, Grid | None]:
    return {"inputs": scheme.inputs, "outputs": scheme.outputs}


def _fixed_from(fields: Fields, start: float) -> float | None:
    """When ranges are fixed, after they have begun to learn; None: never."""
    name = "disable_quantization_observer_epoch"
    epoch = _later(fields, name, start)
    if epoch is not None and epoch == max(start, 0.0):
        message = f"`{name}` ({epoch:g}) must be after `start_epoch` ({start:g}): ranges learn from batches in between"
        fields.problem(name, message)
    return epoch


def _later(fields: Fields, name: str, start: float) -> float | None:
    """An epoch that is not before `start`; none, or -1, means never."""
    if fields.entry.fields.get(name) is None:
        fields.ignored(name)
        return None
    epoch = fields.mark(name)
    if epoch == -1:
        return None
    if epoch < start:
        fields.problem(name, f"`{name}` ({epoch:g}) must not be before `start_epoch` ({start:g})")
    return epoch
