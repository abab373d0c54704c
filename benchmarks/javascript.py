"""How long exported files take in JavaScript, as a share of dense fp32's time: one run in turns, one thread.

    python benchmarks/javascript.py --model DIR --node DIR [--seconds S] [--shape 1x128]... FILE.onnx...

DIR of --model as for latency.py; that of --node holds node_modules with transformers.js: .venv-transformers-js of `make
runtimes`. Two runtimes: transformers.js in Node, and ONNX Runtime in WebAssembly, on which it runs in a browser.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from measure import row, table

from sparsebuild.exporters.fp32 import export
from sparsebuild.training.determinism import cpu_kind
from sparsebuild.training.models import open_dense

RUNTIMES = ("transformers.js", "onnxruntime-web")
DENSE = "dense fp32"


def main(arguments: Sequence[str]) -> None:
    """Write a folder for each file, have Node time them, and print a table for each runtime."""
    asked = _arguments(arguments)
    script = Path(shutil.copy(Path(__file__).with_suffix(".mjs"), asked.node))  # modules are looked for beside it
    with tempfile.TemporaryDirectory() as work:
        dense = Path(work) / "dense.onnx"
        export(open_dense(asked.model), dense, 18)
        files = {DENSE: dense, **{path.stem: path for path in asked.files}}
        folders = {name: _folder(asked.model, path, Path(work) / path.stem) for name, path in files.items()}
        for runtime in RUNTIMES:
            command = ["node", script, runtime, str(asked.seconds), ",".join(asked.shape), *map(str, folders.values())]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            times = {name: found["times"][str(folder)] for name, folder in folders.items()}
            _print(f"{runtime} {found['version']}", files, times)
    script.unlink()


def _folder(model: Path, file: Path, folder: Path) -> Path:
    (folder / "onnx").mkdir(parents=True)
    shutil.copy(model / "config.json", folder)
    shutil.copy(file, folder / "onnx" / "model.onnx")
    return folder


def _print(runtime: str, files: dict[str, Path], times: dict[str, dict[str, list[float]]]) -> None:
    shapes = list(times[DENSE])
    table(f"{runtime}, one thread, {cpu_kind()}", ["", *(f"{shape}: ms, of dense" for shape in shapes), "MB"])
    for name, of_shapes in times.items():
        middles = [(median(of_shapes[shape]), median(times[DENSE][shape])) for shape in shapes]
        told = [f"{mine:.2f}, {mine / dense:.3f}" for mine, dense in middles]
        row([name, *told, f"{files[name].stat().st_size / 1e6:.1f}"])


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.onnx")
    parser.add_argument("--model", type=Path, required=True, metavar="DIR")
    parser.add_argument("--node", type=Path, required=True, metavar="DIR")
    parser.add_argument("--shape", action="append", help="default: 1x128 and 32x128")
    parser.add_argument("--seconds", type=float, default=10.0, help="on each file and shape, about")
    asked = parser.parse_args(arguments)
    asked.shape = asked.shape or ["1x128", "32x128"]
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
