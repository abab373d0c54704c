"""DeepSparse, which computes with the weights that are not zero. It takes one shape; smaller ones are padded to it.

It writes that shape into the file that it is given, so it is given a copy.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from typing import Any

INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # of a batch; a file may want fewer


def version() -> str:
    import deepsparse

    return str(deepsparse.__version__)


def open_model(path: str, threads: int) -> Any:
    import deepsparse  # noqa: F401 - not to be found is told when a model is opened, as elsewhere

    return path, threads


def feed(model: Any, batches: list[Any]) -> list[Callable[[], Any]]:
    import deepsparse
    import numpy as np
    from deepsparse.utils.onnx import get_input_names

    path, threads = model
    wanted = [INPUTS.index(name) for name in get_input_names(path)]
    rows, width = (max(batch[0].shape[axis] for batch in batches) for axis in (0, 1))
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, folder)
        engine = deepsparse.Engine(copy, batch_size=rows, num_cores=threads, input_shapes=[[rows, width]] * len(wanted))

    def run(batch: Any) -> Callable[[], Any]:
        margins = [((0, rows - array.shape[0]), (0, width - array.shape[1])) for array in batch]
        padded = [np.pad(batch[place], margins[place]) for place in wanted]
        return lambda: engine.run(padded)

    return [run(batch) for batch in batches]
