"""Time the kernels of an encoder's layers on this machine: `layers.json`, from which latency budgets are kept.

Input: `config`, that of the model that training starts from. Encoders of a few layers with random weights are exported
as the trained one will be, with fewer heads or neurons, and timed in ONNX Runtime in turns with the dense encoder in
float32. Kernel times are differences between them.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsebuild.encoders import longest
from sparsebuild.engine.job import Job, Report
from sparsebuild.errors import UserError
from sparsebuild.exporters import EXPORTERS, FLOATS
from sparsebuild.manifest import Bench, Export, defaults
from sparsebuild.registry import lookup

if TYPE_CHECKING:
    from sparsebuild.numerics.kernel_times import Probe
    from sparsebuild.training.probes import Plan

__all__ = ["FILE_NAME", "run"]

FILE_NAME = "layers.json"
_DENSE = "dense fp32"
_SECONDS = 10.0  # to time all of them, about


def run(job: Job, report: Report) -> None:
    """Export the encoders, time them in turns, and write the table."""
    from sparsebuild.numerics.kernel_times import KernelTimes, probes
    from sparsebuild.runtimes.on_onnxruntime import NAME, version
    from sparsebuild.training.determinism import cpu_kind
    from sparsebuild.training.probes import dense_shape, read_config

    asked = {**defaults(Export), **defaults(Bench), **job.params}
    cpu = cpu_kind()
    report.note("cpu", cpu)
    config = read_config(job.inputs["config"])
    layers, dense = dense_shape(config)
    batch = _batch(config, asked["shapes"][0])
    wanted = probes(layers, dense.heads, dense.neurons)
    files = _files(job, config, wanted, asked, report)
    found = _timed(files, batch, asked["threads"], report)
    times = KernelTimes.of({probe: found[_name(probe)] for probe in wanted}, found[_DENSE])
    document = {
        "schema_version": 1,
        "cpu": cpu,
        "runtime": NAME,
        "version": version(),
        "threads": asked["threads"],
        "shape": asked["shapes"][0],
        "scheme": asked["scheme"],
        "encoder": {"layers": layers, "heads": dense.heads, "neurons": dense.neurons},
        "milliseconds": times.to_json(),
        "probes": [{"name": name, "ms": time} for name, time in found.items()],
    }
    report.metric("dense_ms", times.dense)
    report.metric("share", times.share([dense] * layers))
    (job.out / FILE_NAME).write_text(json.dumps(document, indent=1) + "\n")


def _files(job: Job, config: Any, wanted: list[Probe], asked: Mapping[str, Any], report: Report) -> dict[str, Path]:
    """Each encoder as ONNX, by name; the dense one in float32 comes first."""
    from sparsebuild.exporters.fp32 import export
    from sparsebuild.training.probes import dense_shape, probe_model

    shutil.rmtree(job.scratch, ignore_errors=True)
    job.scratch.mkdir()
    found = {_DENSE: job.scratch / "dense.onnx"}
    export(probe_model(config, *dense_shape(config)), found[_DENSE], asked["opset"])
    write = lookup(EXPORTERS, asked["scheme"], "export scheme")
    plan = None if asked["scheme"] in FLOATS else _plan(asked)
    report.log(f"writing {len(wanted)} small encoders, scheme {asked['scheme']}")
    for number, probe in enumerate(wanted):
        report.progress(number, len(wanted), "encoders")
        path = found[_name(probe)] = job.scratch / f"{number}.onnx"
        write(probe_model(config, probe.layers, probe.shape, plan), path, asked["opset"], asked["exporter"])
    return found


def _plan(asked: Mapping[str, Any]) -> Plan | None:
    """What the recipe's quantization rounds, as the exported file will; nothing where it does not quantize."""
    from sparsebuild import modifiers
    from sparsebuild.modifiers.base import FileGrid
    from sparsebuild.modifiers.quantization import Quantization
    from sparsebuild.recipe import Resolved

    specs = modifiers.specs(Resolved.from_json(asked["recipe"])) if "recipe" in asked else ()
    grid = FileGrid(**asked.get("file_grid", {}))
    plans = [spec.for_file(grid).plan for spec in specs if isinstance(spec, Quantization)]
    return (lambda model: {k: v for plan in reversed(plans) for k, v in plan(model).items()}) if plans else None


def _batch(config: Any, shape: str) -> list[list[int]]:
    """Pieces drawn at random: sentences at once × pieces of each."""
    from sparsebuild.training.probes import PIECES

    rows, length = (int(number) for number in shape.split("x"))
    most = longest(config.to_dict())
    if most is not None and length > most:
        raise UserError(f"`bench.shapes` has {shape}, but the model reads at most {most} pieces")
    draw = random.Random(0)
    return [[draw.randrange(1, min(PIECES, config.vocab_size)) for _ in range(length)] for _ in range(rows)]


def _timed(files: Mapping[str, Path], batch: Sequence[Sequence[int]], threads: int, report: Report) -> dict[str, float]:
    """The time of each file, in milliseconds."""
    from sparsebuild.runtimes.kernels import fastest

    def progress(share: float) -> None:
        report.progress(round(share * 100), 100, "turns")

    found = fastest(files, batch, threads, _SECONDS, progress)
    return {name: seconds * 1e3 for name, seconds in found.items()}


def _name(probe: Probe) -> str:
    return f"{probe.layers} layers of {probe.shape.heads} heads and {probe.shape.neurons} neurons"
