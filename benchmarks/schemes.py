"""What each export scheme costs: `python benchmarks/schemes.py PROJECT …`, projects built with a scheme each.

Times are CPU milliseconds of ONNX Runtime on one thread, the median of rounds in which every file has its turn, so that
other work on the machine strikes all alike.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

SHAPES = ((1, 32), (1, 128), (8, 128))  # sentences, pieces
ROUNDS = 15


def main(*projects):
    from sparsebuild.exporters.runtime import open_session

    exports = [Path(project) / "build/export" for project in projects]
    sessions = [open_session(export / "deployment/model.onnx", 1) for export in exports]
    times = {(i, shape): [] for i in range(len(sessions)) for shape in SHAPES}
    for _ in range(ROUNDS):
        for shape in SHAPES:
            for i, session in enumerate(sessions):
                times[i, shape].append(milliseconds(session, shape))
    shapes = [f"ms, {sentences} × {pieces}" for sentences, pieces in SHAPES]
    say(["scheme", "F1, validation", "F1, test", "same label", "MB", "MB, zstd", *shapes])
    say(["---"] * (6 + len(SHAPES)))
    for i, export in enumerate(exports):
        told = json.loads((export / "export.json").read_text())
        scores = [f"{told[split]['f1']:.4f}" if split in told else "" for split in ("validation", "test")]
        sizes = [f"{told[key] / 1e6:.1f}" for key in ("bytes", "bytes_zstd")]
        medians = [f"{statistics.median(times[i, shape]):.1f}" for shape in SHAPES]
        say([told["scheme"], *scores, f"{told['agreement']:.2%}", *sizes, *medians])


def milliseconds(session, shape):
    """CPU time of one run."""
    ids = np.random.default_rng(0).integers(1000, 20000, shape)
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    start = time.process_time()
    session.run(["logits"], feeds)
    return 1000 * (time.process_time() - start)


def say(cells):
    sys.stdout.write(f"| {' | '.join(cells)} |\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
