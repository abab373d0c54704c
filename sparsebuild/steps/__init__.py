"""What targets do: each step reads its job's inputs, writes files, and speaks through its report alone.

The table says of each step what the engine has to know before it runs: the version of its meaning (raise it when the
same inputs shall give other outputs), the libraries whose meaning it depends on, and where it runs. Reading the table
imports no step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["STEPS", "Step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: its function, as "module:function", and what its results depend on beside inputs and settings."""

    function: str
    version: int = 1
    libraries: tuple[str, ...] = ()
    where: Literal["inline", "worker"] = "worker"
    resource: str = ""  # what it needs for itself while it works: two of these never work at once
    exact: bool = True  # the same inputs give the same bytes
    on_demand: bool = False  # built where it is named, or needed
    beside: tuple[str, ...] = ()  # its settings on which nothing of what it leaves depends


_TRAINS = ("torch", "transformers", "accelerate")
_EXPORTS = ("torch", "transformers", "onnx", "onnxruntime")
_OF_THE_RUN = ("explosion_patience", "report_to", "save_total_limit")
_DEVICE = "device"  # all cores, or the GPU


def _measures(function: str) -> Step:
    """A step whose results are times of this machine."""
    return Step(function=function, libraries=_EXPORTS, resource=_DEVICE, exact=False, on_demand=True)


STEPS = {
    "fetch": Step(function="sparsebuild.steps.fetch:run", where="inline"),
    "prepare": Step(function="sparsebuild.steps.prepare:run", version=4, libraries=("tokenizers", "transformers")),
    "train": Step(
        function="sparsebuild.steps.train:run",
        version=5,
        libraries=_TRAINS,
        resource=_DEVICE,
        beside=_OF_THE_RUN,
    ),
    "teach": Step(function="sparsebuild.steps.teach:run", libraries=("torch", "transformers"), resource=_DEVICE),
    "eval": Step(
        function="sparsebuild.steps.evaluate:run", version=2, libraries=("torch", "transformers"), resource=_DEVICE
    ),
    "export": Step(function="sparsebuild.steps.export:run", version=6, libraries=_EXPORTS, resource=_DEVICE),
    "gate": Step(function="sparsebuild.steps.gate:run", version=5, where="inline"),
    "bench": _measures("sparsebuild.steps.bench:run"),
    "compare": _measures("sparsebuild.steps.bench:compare"),
    "profile": _measures("sparsebuild.steps.profile:run"),
    "sensitivity": Step(
        function="sparsebuild.steps.sensitivity:run",
        libraries=("torch", "transformers", "matplotlib"),
        resource=_DEVICE,
        on_demand=True,
    ),
    "report": Step(function="sparsebuild.steps.report:run", libraries=("jinja2", "matplotlib"), on_demand=True),
}
