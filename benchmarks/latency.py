"""How long exported files take, as a share of dense fp32's time: one interleaved run, one thread.

    python benchmarks/latency.py --model DIR [--runtime NAME[=PYTHON]]... [--seconds S] [--shape 1x128]... FILE.onnx...

DIR is any model that the files were made of, such as a project's build/train/model: the network that it was cut out
of is written in float and timed with them, as is ONNX Runtime's dynamic int8 of that. `quality.py` leaves such files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from measure import row, table

from sparsebuild.exporters.baselines import write_dynamic_int8
from sparsebuild.exporters.fp32 import export
from sparsebuild.runtimes.turns import Feed, in_turns, opened
from sparsebuild.training.determinism import cpu_kind
from sparsebuild.training.models import open_dense

DENSE, DYNAMIC = "dense fp32", "its dynamic int8"
SHAPES = ("1x128", "32x128")


def main(arguments: Sequence[str]) -> None:
    """Write the dense file, time all in turns, and print the table."""
    asked = _arguments(arguments)
    with tempfile.TemporaryDirectory() as folder:
        dense, dynamic = Path(folder) / "dense.onnx", Path(folder) / "dynamic.onnx"
        export(open_dense(asked.model), dense, 18)
        write_dynamic_int8(dense, dynamic)
        files = {DENSE: dense, DYNAMIC: dynamic, **{path.stem: path for path in asked.files}}
        for runtime in asked.runtime:
            name, _, python = runtime.partition("=")
            _measure(name, python or sys.executable, files, asked.shape, asked.seconds)


def _measure(runtime: str, python: str, files: dict[str, Path], shapes: Sequence[str], seconds: float) -> None:
    chosen = [(runtime, name, path) for name, path in files.items() if name != DYNAMIC or runtime == "onnxruntime"]
    times: dict[str, list[float]] = {name: [] for _, name, _ in chosen}
    with Path("/dev/null").open("w") as log, opened(chosen, {runtime: python}, 1, log) as entrants:
        for shape in shapes:
            rows, length = (int(number) for number in shape.split("x"))
            batch = [[1000 + (i * length + k) % 20_000 for k in range(length)] for i in range(rows)]
            found = in_turns(entrants, Feed(name=shape, batches=[batch]), seconds)
            for entrant, seen in zip(entrants, found, strict=True):
                if not entrant.runs:
                    sys.exit(f"{entrant.model} in {runtime}: {entrant.missing or entrant.failed}")
                times[entrant.model].append(median(seen))
        version = entrants[0].version
    show(f"{runtime} {version}", files, shapes, times)


def show(runtime: str, files: Mapping[str, Path], shapes: Sequence[str], times: Mapping[str, Sequence[float]]) -> None:
    """Print the table of a runtime: of each file its seconds at each shape, beside the dense one's."""
    table(f"{runtime}, one thread, {cpu_kind()}", ["", *(f"{s}: ms, of dense" for s in shapes), "MB"])
    for name, of_shapes in times.items():
        told = [f"{t * 1e3:.2f}, {t / dense:.3f}" for t, dense in zip(of_shapes, times[DENSE], strict=True)]
        row([name, *told, f"{files[name].stat().st_size / 1e6:.1f}"])


def parser(description: str | None) -> argparse.ArgumentParser:
    """What is asked of any runtime."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("files", nargs="+", type=Path, metavar="FILE.onnx")
    made.add_argument("--model", type=Path, required=True, metavar="DIR")
    made.add_argument("--shape", action="append", help="default: 1x128 and 32x128")
    made.add_argument("--seconds", type=float, default=10.0, help="on each file and shape, about")
    return made


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--runtime", action="append", help="and the Python that has it; default: onnxruntime, here")
    asked = options.parse_args(arguments)
    asked.runtime, asked.shape = asked.runtime or ["onnxruntime"], asked.shape or SHAPES
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
