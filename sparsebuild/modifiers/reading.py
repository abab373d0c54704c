"""From a recipe's entries to modifiers' settings: the registry, and what is known but not supported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from sparsebuild.digest import canonical_json
from sparsebuild.errors import Problem, RecipeError
from sparsebuild.modifiers.acdc_pruning import ACDCPruning
from sparsebuild.modifiers.base import Modifier
from sparsebuild.modifiers.layer_pruning import LayerPruning
from sparsebuild.modifiers.per_layer_distillation import PerLayerDistillation
from sparsebuild.modifiers.structured_pruning import StructuredPruning
from sparsebuild.recipe import Entry, Resolved
from sparsebuild.recipe.document import plain
from sparsebuild.recipe.frame import with_frame
from sparsebuild.registry import did_you_mean, load

__all__ = ["MODIFIERS", "UNSUPPORTED", "entries_and_specs", "specs"]

MODIFIERS: Mapping[str, str] = {
    "ACDCPruningModifier": "sparsebuild.modifiers.acdc_pruning:ACDCPruning",
    "ConstantPruningModifier": "sparsebuild.modifiers.constant_pruning:ConstantPruning",
    "DistillationModifier": "sparsebuild.modifiers.distillation:Distillation",
    "EpochRangeModifier": "sparsebuild.modifiers.epoch_range:EpochRange",
    "GMPruningModifier": "sparsebuild.modifiers.gm_pruning:GMPruning",
    "GlobalFisherPruningModifier": "sparsebuild.modifiers.global_fisher_pruning:GlobalFisherPruning",
    "GlobalMagnitudePruningModifier": "sparsebuild.modifiers.global_magnitude_pruning:GlobalMagnitudePruning",
    "GradualParamModifier": "sparsebuild.modifiers.gradual_param:GradualParam",
    "LayerPruningModifier": "sparsebuild.modifiers.layer_pruning:LayerPruning",
    "LearningRateFunctionModifier": "sparsebuild.modifiers.learning_rate_function:LearningRateFunction",
    "LearningRateModifier": "sparsebuild.modifiers.learning_rate:LearningRate",
    "MagnitudePruningModifier": "sparsebuild.modifiers.magnitude_pruning:MagnitudePruning",
    "MovementPruningModifier": "sparsebuild.modifiers.movement_pruning:MovementPruning",
    "OBSPruningModifier": "sparsebuild.modifiers.obs_pruning:OBSPruning",
    "PerLayerDistillationModifier": "sparsebuild.modifiers.per_layer_distillation:PerLayerDistillation",
    "QuantizationModifier": "sparsebuild.modifiers.quantization:Quantization",
    "SetLearningRateModifier": "sparsebuild.modifiers.set_learning_rate:SetLearningRate",
    "SetParamModifier": "sparsebuild.modifiers.set_param:SetParam",
    "SetWeightDecayModifier": "sparsebuild.modifiers.set_weight_decay:SetWeightDecay",
    "SparsificationLoggingModifier": "sparsebuild.modifiers.sparsification_logging:SparsificationLogging",
    "StructuredPruningModifier": "sparsebuild.modifiers.structured_pruning:StructuredPruning",
    "TrainableParamsModifier": "sparsebuild.modifiers.trainable_params:TrainableParams",
}

_RAMPS = (  # whose last sparsity is promised
    "ACDCPruningModifier",
    "GMPruningModifier",
    "GlobalFisherPruningModifier",
    "GlobalMagnitudePruningModifier",
    "MagnitudePruningModifier",
    "MovementPruningModifier",
    "OBSPruningModifier",
)

_FISHER = "GlobalFisherPruningModifier prunes by importance"
_SECOND_ORDER = "OBSPruningModifier prunes by second order, in blocks"
_REGROWS = "ACDCPruningModifier lets weights come back; GMPruningModifier is the plainest"
_LAYERS = "StructuredPruningModifier cuts heads and neurons out, LayerPruningModifier whole layers"
_RANGES = "take it out: with a QuantizationModifier the model learns to live with its ranges"
_ONE_SHOT = "models are pruned while they are trained: OBSPruningModifier is the nearest"
UNSUPPORTED: Mapping[str, str] = {  # SparseML's other modifiers, and what to do instead
    "ASRegModifier": "take it out: `train.weight_decay` in sparse.toml keeps weights small",
    "GPTQModifier": "write a QuantizationModifier: weights are rounded while they are trained",
    "LayerThinningModifier": _LAYERS,
    "LegacyQuantizationModifier": "write a QuantizationModifier with `submodules`",
    "LogarithmicEqualizationModifier": _RANGES,
    "MFACPruningModifier": _SECOND_ORDER,
    "OutputDistillationModifier": "write a DistillationModifier",
    "PowerpropagationModifier": _FISHER,
    "RigLPruningModifier": _REGROWS,
    "SmoothQuantModifier": _RANGES,
    "SparseGPTModifier": _ONE_SHOT,
    "TopKASTPruningModifier": _REGROWS,
    "WandaPruningModifier": _ONE_SHOT,
}


def specs(resolved: Resolved) -> tuple[Modifier, ...]:
    """The recipe's modifiers, in the order in which they act; raises RecipeError with everything that is wrong.

    What cuts comes first, and then what leaves layers out, so that all others see what is left. What adds to the loss
    comes last, as a DistillationModifier weighs the loss that it is given. Between these, those that end first (-1 ends
    last), those that start first, and by name and settings: so the order in the file means nothing.
    """
    return tuple(spec for _, spec in entries_and_specs(resolved))


def entries_and_specs(resolved: Resolved) -> list[tuple[Entry, Modifier]]:
    """The same, each with the entry that it was read from."""
    found: list[tuple[Entry, Modifier]] = []
    problems: list[Problem] = []
    for entry in resolved.entries:
        try:
            found.append((entry, _spec(entry)))
        except RecipeError as error:
            problems += (with_frame(p, resolved.text) for p in error.problems)
    problems = problems or [with_frame(p, resolved.text) for p in _done_too_soon(found)]
    if problems:
        raise RecipeError(*problems)
    return sorted(found, key=lambda pair: _order(*pair))


def _done_too_soon(found: Sequence[tuple[Entry, Modifier]]) -> Iterator[Problem]:
    """Weights that are at their last sparsity before the last cut: what is cut away then takes zeros with it."""
    cuts = [spec.cut_epochs[-1] for _, spec in found if isinstance(spec, StructuredPruning)]
    for entry, spec in found:
        if not cuts or entry.tag not in _RAMPS:
            continue
        phase = spec.update_frequency if isinstance(spec, ACDCPruning) else 0  # which begins with its last masks
        if spec.end_epoch - phase < max(cuts):
            what = f"ends at epoch {spec.end_epoch:g}" if not phase else f"prunes last at {spec.end_epoch - phase:g}"
            yield Problem(
                message=f"`{entry.tag}` {what}, before heads or neurons are cut for the last "
                f"time, at epoch {max(cuts):g}: what is cut takes zeros with it",
                position=entry.where("end_epoch"),
                hint=f"let it end at epoch {max(cuts) + phase:g} or later",
            )


def _spec(entry: Entry) -> Modifier:
    if entry.tag in UNSUPPORTED:
        message = f"`{entry.tag}` is not supported"
        raise RecipeError(Problem(message=message, position=entry.position, hint=UNSUPPORTED[entry.tag]))
    if entry.tag not in MODIFIERS:
        near = did_you_mean(entry.tag, MODIFIERS) or f"there are: {', '.join(MODIFIERS)}"
        message = f"there is no modifier `{entry.tag}`"
        raise RecipeError(Problem(message=message, position=entry.position, hint=near))
    spec: Modifier = load(MODIFIERS[entry.tag]).read(entry)
    return spec


def _order(entry: Entry, spec: Modifier) -> tuple[bool, bool, bool, float, float, str, str]:
    end = spec.end_epoch if spec.end_epoch != -1 else math.inf
    return (
        not isinstance(spec, StructuredPruning),
        not isinstance(spec, LayerPruning),
        isinstance(spec, PerLayerDistillation),
        end,
        spec.start_epoch,
        entry.tag,
        canonical_json(plain(entry.fields)),
    )
