"""What training did to a model's structure, as data beside its weights: `structure.json`.

The weights in `model.safetensors` are the float model's, under its own names, so that any reader of such files opens
it. What those names cannot say stands here: which weights are held at zero, which modules are quantized, with the
ranges their observers learned, and how many heads and neurons each layer has where some were cut out. A model is
rebuilt from this file, never by replaying a schedule.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sparsebuild.errors import TargetFailed
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.numerics.quantization_scheme import (
    ATTENTION,
    EMBEDDING,
    Scheme,
    linear_scheme,
    scheme_from_json,
    scheme_to_json,
)
from sparsebuild.training.quantization import (
    QuantizedEmbedding,
    QuantizedLinear,
    apply_plan,
    freeze_observers,
    observers,
    quantized_modules,
    scheme_of,
)
from sparsebuild.training.quantization_plan import is_attention
from sparsebuild.training.shapes import shapes

__all__ = [
    "FILE_NAME",
    "Dense",
    "KeptBudget",
    "Masked",
    "Structure",
    "apply_structure",
    "dense_shape",
    "is_embeddings",
    "is_head",
    "observed_structure",
    "prunable_sparsity",
    "prunable_weights",
]

FILE_NAME = "structure.json"
_FORMAT = 1
_ONLY_IF_ANY = ("others", "schemes", "layers", "dense", "budget")


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """How many of a parameter's weights are held at zero, and what goes together."""

    zeros: int
    size: int
    mask_type: str = "unstructured"  # as in a recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """The network before anything was cut out of it; a layer as wide as its widest."""

    layers: int
    heads: int
    neurons: int

    @property
    def shapes(self) -> tuple[LayerShape, ...]:
        """Those of its layers."""
        return (LayerShape(heads=self.heads, neurons=self.neurons),) * self.layers


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBudget:
    """A budget that shapes were chosen for, and what they cost by the estimate: shares of the dense encoder's cost."""

    kind: str  # "latency", "flops", "parameters"
    asked: float
    estimate: float
    # of a latency: what was timed, and where
    cpu: str = ""
    runtime: str = ""
    threads: int = 0
    shape: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Masks by parameter, and quantized modules with the observed ranges by observer name.

    `schemes` has the modules whose grids are not the usual ones of their kind. `layers` is empty where nothing was cut.
    """

    masked: Mapping[str, Masked]
    linears: tuple[str, ...] = ()
    embeddings: tuple[str, ...] = ()
    attentions: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # layers of other kinds: what goes into them is rounded, or what comes out
    weight_levels: int = 63  # largest integer of a Linear's weight
    schemes: Mapping[str, Scheme] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]]  # observer name → (lowest, highest), exact float32 values
    layers: Mapping[str, LayerShape] = field(default_factory=dict)  # every layer of the encoder, by name
    dense: Dense | None = None  # what it was cut out of
    budget: KeptBudget | None = None  # by which it was

    @property
    def is_quantized(self) -> bool:
        return bool(self.plan)

    @property
    def plan(self) -> dict[str, Scheme]:
        """The scheme of every quantized module."""
        usual = dict.fromkeys(self.linears, linear_scheme(self.weight_levels))
        usual |= dict.fromkeys(self.embeddings, EMBEDDING) | dict.fromkeys(self.attentions, ATTENTION)
        return {**usual, **self.schemes}

    def without(self, modules: Collection[str]) -> Structure:
        """The same, nothing said of these modules."""

        def left(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in names if name not in modules)

        return replace(
            self,
            linears=left(self.linears),
            embeddings=left(self.embeddings),
            attentions=left(self.attentions),
            others=left(self.others),
            schemes={name: scheme for name, scheme in self.schemes.items() if name not in modules},
            ranges={name: ends for name, ends in self.ranges.items() if name.rpartition(".")[0] not in modules},
        )

    def write(self, folder: Path) -> None:
        data = asdict(self) | {"schemes": {name: scheme_to_json(scheme) for name, scheme in self.schemes.items()}}
        data = {key: value for key, value in data.items() if value or key not in _ONLY_IF_ANY}
        text = json.dumps({"format": _FORMAT, **data}, indent=1, sort_keys=True)
        (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Structure | None:
        """The structure saved in `folder`, or None where there is none: a plain float model."""
        path = folder / FILE_NAME
        if not path.exists():
            return None
        data = json.loads(path.read_text())
        if data.pop("format", None) != _FORMAT:
            raise TargetFailed(f"{FILE_NAME} has a format that this version does not know")
        return cls(
            masked={name: Masked(**counts) for name, counts in data["masked"].items()},
            linears=tuple(data["linears"]),
            embeddings=tuple(data["embeddings"]),
            attentions=tuple(data["attentions"]),
            others=tuple(data.get("others", ())),
            weight_levels=data["weight_levels"],
            schemes={name: scheme_from_json(scheme) for name, scheme in data.get("schemes", {}).items()},
            ranges={name: (low, high) for name, (low, high) in data["ranges"].items()},
            layers={name: LayerShape.from_json(shape) for name, shape in data.get("layers", {}).items()},
            dense=Dense(**data["dense"]) if "dense" in data else None,
            budget=KeptBudget(**data["budget"]) if "budget" in data else None,
        )


def dense_shape(model: Any, folder: Path) -> Dense:
    """What the model opened from `folder` was cut out of, or is."""
    known = Structure.read(folder)
    if known and known.dense:
        return known.dense
    there = list(shapes(model).values())
    return Dense(layers=len(there), heads=max(s.heads for s in there), neurons=max(s.neurons for s in there))


def observed_structure(
    model: nn.Module,
    masks: Mapping[str, Tensor],
    mask_types: Mapping[str, str] | None = None,
    dense: Dense | None = None,
) -> Structure:
    """The structure that `model`, which began as `dense`, has now, with the masks in force and their kinds."""
    kinds = mask_types or {}
    layers = shapes(model) if dense else {}
    whole = LayerShape(heads=dense.heads, neurons=dense.neurons) if dense else None
    is_cut = dense is not None and (len(layers) < dense.layers or any(s != whole for s in layers.values()))
    modules = dict(quantized_modules(model))
    linears = {n: m for n, m in modules.items() if isinstance(m, QuantizedLinear)}
    embeddings = [n for n, m in modules.items() if isinstance(m, QuantizedEmbedding)]
    attentions = [n for n, m in modules.items() if is_attention(m)]
    found = Structure(
        masked={
            n: Masked(zeros=int((m == 0).sum()), size=m.numel(), mask_type=kinds.get(n, "unstructured"))
            for n, m in sorted(masks.items())
        },
        linears=tuple(linears),
        embeddings=tuple(embeddings),
        attentions=tuple(attentions),
        others=tuple(n for n in modules if n not in {*linears, *embeddings, *attentions}),
        weight_levels=max((m.weight_levels for m in linears.values()), default=0) or 63,
        ranges={n: (float(o.lowest), float(o.highest)) for n, o in observers(model)},
        layers=layers if is_cut else {},
        dense=dense if is_cut else None,
    )
    usual = found.plan
    return replace(found, schemes={n: scheme_of(m) for n, m in modules.items() if scheme_of(m) != usual.get(n)})


def apply_structure(model: Any, structure: Structure) -> None:
    """Give a float model the quantized modules and ranges of `structure`, frozen; TargetFailed if they differ."""
    if not structure.is_quantized:
        return
    names = {name for name, _ in model.named_modules()}
    if missing := [name for name in structure.plan if name not in names]:
        raise TargetFailed(f"{FILE_NAME} quantizes modules that the model does not have: {', '.join(missing[:5])}")
    apply_plan(model, structure.plan)
    found = dict(observers(model))
    if set(found) != set(structure.ranges):
        differing = sorted(set(found) ^ set(structure.ranges))
        raise TargetFailed(f"{FILE_NAME} and the model do not name the same observers: {', '.join(differing[:5])}")
    for name, (low, high) in structure.ranges.items():
        found[name].lowest.fill_(low)
        found[name].highest.fill_(high)
        found[name].count.fill_(1)
    freeze_observers(model)


def is_head(parameter: str) -> bool:
    """Whether a parameter belongs to what follows the encoder, which is fresh for each task and never pruned."""
    return parameter.startswith(("classifier.", "head."))


def is_embeddings(parameter: str) -> bool:
    """Whether a parameter belongs to what comes before the encoder's layers: tables, and what makes them wider."""
    return ".embeddings" in parameter


def prunable_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of all Linears of the encoder, by name.

    What makes embeddings as wide as the encoder (ELECTRA) belongs to them, not to these.
    """
    linears = {f"{name}.weight": m.weight for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    return {name: weight for name, weight in linears.items() if not (is_head(name) or is_embeddings(name))}


def prunable_sparsity(model: nn.Module) -> float:
    """The share of exact zeros in `prunable_weights`, from 0 to 1."""
    weights = prunable_weights(model).values()
    size = sum(w.numel() for w in weights)
    return sum(int((w == 0).sum()) for w in weights) / size if size else 0.0
