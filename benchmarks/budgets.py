"""The shapes that budgets of latency choose, and how good the estimate is that they are chosen by.

    python benchmarks/budgets.py MODEL ROWS [--budget 0.25]... [--shape 1x128] [--seconds 20]

MODEL is the folder of a trained model, such as a project's build/teacher/model; ROWS are its prepared training rows,
.sparsebuild/prepare/train there. Kernels are timed as the target `profile` does; then files of the chosen shapes, int8,
in turns with the dense fp32 file. Times are CPU time of the one thread, so that other work disturbs them little.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from measure import row, say, table

from sparsebuild.exporters import fp32, portable
from sparsebuild.modifiers.budget import Budget, CostModel
from sparsebuild.numerics.budget import Plan, best_plan, best_uniform_plan
from sparsebuild.numerics.kernel_times import KernelTimes, probes
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.numerics.structures import gate_gradients
from sparsebuild.runtimes.kernels import fastest
from sparsebuild.tasks.prepared import PreparedSplit
from sparsebuild.training import shapes
from sparsebuild.training.batches import Corpus, batch_order
from sparsebuild.training.determinism import cpu_kind
from sparsebuild.training.models import open_float_model
from sparsebuild.training.probes import calibrated, dense_shape, probe_model
from sparsebuild.training.quantization import quantize

DENSE = "dense fp32"
LEAST = LayerShape(heads=1, neurons=32)
BATCH = 32
Scores = tuple[list[list[float]], list[list[float]]]  # of each layer's heads, and of its neurons


def main(arguments: Sequence[str]) -> None:
    """Measure the table, choose, measure what was chosen, and print both."""
    asked = _arguments(arguments)
    torch.set_num_threads(1)
    model = open_float_model(asked.model)
    layers, dense = dense_shape(model.config)
    with tempfile.TemporaryDirectory() as folder:
        say("timing kernels")
        times = _kernel_times(model, layers, dense, asked, Path(folder))
        say("scoring heads and neurons")
        heads, neurons = _scores(model, asked.rows)
        whole = sum(map(sum, [*heads, *neurons]))
        plans: dict[str, Plan] = {}
        for share in asked.budget:
            costs = CostModel.of(Budget(kind="latency", share=share), model, [dense] * layers, times, "")
            for name, search in ((f"{share:g}", best_plan), (f"{share:g}, uniform", best_uniform_plan)):
                plans[name] = search(heads, neurons, costs.choices([dense] * layers, LEAST), share)
        say("timing what was chosen")
        measured = _measured(asked, {name: plan.shapes for name, plan in plans.items()}, Path(folder))
    about = f"{asked.shape}, int8 of dense fp32, one thread, {cpu_kind()}"
    table(about, ["budget", "heads", "neurons", "scores that go", "estimated", "measured"])
    for name, plan in plans.items():
        sizes = [", ".join(str(getattr(shape, what)) for shape in plan.shapes) for what in ("heads", "neurons")]
        share = measured[name] / measured[DENSE]
        row(
            [
                name,
                *sizes,
                f"{plan.lost / whole:.1%}",
                f"{plan.cost:.3f}",
                f"{share:.3f} ({plan.cost / share - 1:+.1%})",
            ]
        )


def _kernel_times(model: Any, layers: int, dense: LayerShape, asked: argparse.Namespace, folder: Path) -> KernelTimes:
    wanted = probes(layers, dense.heads, dense.neurons)
    files = {DENSE: folder / "probe.onnx", **{str(i): folder / f"{i}.onnx" for i in range(len(wanted))}}
    fp32.export(probe_model(model.config, layers, dense), files[DENSE], 18)
    for i, probe in enumerate(wanted):
        portable.export(probe_model(model.config, probe.layers, probe.shape, _plan), files[str(i)], 18)
    found = fastest(files, _batch(asked.shape, 1000), 1, asked.seconds)
    return KernelTimes.of({p: found[str(i)] * 1e3 for i, p in enumerate(wanted)}, found[DENSE] * 1e3)


def _plan(model: Any) -> Mapping[str, Any]:
    """Everything is quantized, as by a QuantizationModifier without settings."""
    from sparsebuild.training.quantization import quantized_modules, scheme_of

    quantize(model)
    return {name: scheme_of(module) for name, module in quantized_modules(model)}


def _scores(model: Any, rows: Path) -> Scores:
    """Fisher scores of gates over all labelled rows."""
    weights = [linear.weight for name in shapes.layer_names(model) for linear in shapes.projections(model, name)]
    groups = [n for shape in shapes.shapes(model).values() for n in (shape.heads, shape.neurons)]
    sums = [torch.zeros(n) for n in groups]
    corpus = Corpus(splits=(PreparedSplit.open(rows),))
    for chosen in batch_order(corpus.lengths.tolist(), BATCH, 0, 0):
        batch = corpus.batch(chosen)
        logits = model(**batch.model_inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), ignore_index=-100)
        for total, w, g, n in zip(sums, weights, torch.autograd.grad(loss, weights), groups, strict=True):
            total += gate_gradients(w.detach(), g, n).square()
    return [s.tolist() for s in sums[::2]], [s.tolist() for s in sums[1::2]]


def _measured(
    asked: argparse.Namespace, chosen: Mapping[str, Sequence[LayerShape]], folder: Path
) -> Mapping[str, float]:
    """Seconds of the model as it is in float, and of int8 files of the chosen shapes, all timed in turns."""
    files = {DENSE: folder / "dense.onnx", **{name: folder / f"{i}.onnx" for i, name in enumerate(chosen)}}
    fp32.export(open_float_model(asked.model), files[DENSE], 18)
    for name, of_layers in chosen.items():
        model = open_float_model(asked.model)
        shapes.resize(model, dict(zip(shapes.layer_names(model), of_layers, strict=True)))
        quantize(model)
        portable.export(calibrated(model), files[name], 18)
    return fastest(files, _batch(asked.shape, 20_000), 1, asked.seconds)


def _batch(shape: str, pieces: int) -> list[list[int]]:
    draw = random.Random(0)
    rows, length = (int(number) for number in shape.split("x"))
    return [[draw.randrange(1, pieces) for _ in range(length)] for _ in range(rows)]


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("rows", type=Path, metavar="ROWS")
    parser.add_argument("--budget", type=float, action="append", default=[])
    parser.add_argument("--shape", default="1x128")
    parser.add_argument("--seconds", type=float, default=20.0, help="of CPU, for each of the two measurements, about")
    asked = parser.parse_args(arguments)
    asked.budget = asked.budget or [0.15, 0.2, 0.25, 0.35]
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
