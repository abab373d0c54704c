"""What writing the ONNX file costs, past imports: `python benchmarks/export.py PROJECT [SCHEME …]`, a built project."""

import sys
import tempfile
import time
from pathlib import Path

SCHEMES = ("portable", "fp32", "fp16")  # what a model that was trained for `portable` can be written as


def main(project, *schemes):
    import onnx  # noqa: F401 - so that it is not timed
    import torch

    from sparsebuild.exporters import EXPORTERS, FLOATS
    from sparsebuild.exporters.base import DEFAULT_OPSET
    from sparsebuild.registry import load
    from sparsebuild.steps.evaluate import compressed_size
    from sparsebuild.training.models import open_float_model, open_model

    torch.set_num_threads(1)
    folder = Path(project) / "build/train/model"
    say("| scheme | exporter | CPU seconds, first and second time | MB | MB, zstd |")
    say("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.onnx"
        for scheme in schemes or SCHEMES:
            model = (open_float_model if scheme in FLOATS else open_model)(folder)
            for exporter in ("torchscript", "dynamo"):
                seconds = []
                for _ in range(2):  # torch builds tables when it exports for the first time
                    start = time.process_time()
                    load(EXPORTERS[scheme])(model, path, DEFAULT_OPSET, exporter)
                    seconds.append(time.process_time() - start)
                told = f"{seconds[0]:.2f}, {seconds[1]:.2f}"
                size, packed = path.stat().st_size / 1e6, compressed_size(path) / 1e6
                say(f"| {scheme} | {exporter} | {told} | {size:.1f} | {packed:.1f} |")


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
