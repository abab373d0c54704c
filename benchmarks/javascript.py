"""How long exported files take in JavaScript, as a share of dense fp32's time: one run in turns, one thread.

    python benchmarks/javascript.py --model DIR --node DIR [--seconds S] [--shape 1x128]... FILE.onnx...

DIR of --model as for latency.py; that of --node holds node_modules with transformers.js: .venv-transformers-js of `make
runtimes`. Two runtimes: transformers.js in Node, and ONNX Runtime in WebAssembly, on which it runs in a browser.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from latency import DENSE, SHAPES, parser, show

from sparsebuild.exporters.fp32 import export
from sparsebuild.training.models import open_dense

RUNTIMES = ("transformers.js", "onnxruntime-web")


def main(arguments: Sequence[str]) -> None:
    """Write a folder for each file, have Node time them, and print a table for each runtime."""
    options = parser(__doc__)
    options.add_argument("--node", type=Path, required=True, metavar="DIR")
    asked = options.parse_args(arguments)
    script = Path(shutil.copy(Path(__file__).with_suffix(".mjs"), asked.node))  # modules are looked for beside it
    try:
        _measure(script, asked.model, asked.files, str(asked.seconds), asked.shape or SHAPES)
    finally:
        script.unlink()


def _measure(script: Path, model: Path, of: Sequence[Path], seconds: str, shapes: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as work:
        dense = Path(work) / "dense.onnx"
        export(open_dense(model), dense, 18)
        files = {DENSE: dense, **{path.stem: path for path in of}}
        folders = [_folder(model, path, Path(work) / f"model{k}") for k, path in enumerate(files.values())]
        for runtime in RUNTIMES:
            command = ["node", script, runtime, seconds, ",".join(shapes), *map(str, folders)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            seen = [found["times"][str(folder)] for folder in folders]
            middles = [[median(mine[shape]) / 1e3 for shape in shapes] for mine in seen]
            show(f"{runtime} {found['version']}", files, shapes, dict(zip(files, middles, strict=True)))


def _folder(model: Path, file: Path, folder: Path) -> Path:
    """A model as transformers.js opens it; its name is an address, so nothing of the file's is in it."""
    (folder / "onnx").mkdir(parents=True)
    shutil.copy(model / "config.json", folder)
    shutil.copy(file, folder / "onnx" / "model.onnx")
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
