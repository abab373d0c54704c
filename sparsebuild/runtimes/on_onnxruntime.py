"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NAME = "onnxruntime"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # of a batch; a file may want fewer


def version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)


def open_model(path: str, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feed(model: Any, batches: list[Any]) -> list[Callable[[], Any]]:
    wanted = {value.name for value in model.get_inputs()}

    def run(batch: Any) -> Callable[[], Any]:
        feeds = {name: values for name, values in zip(INPUTS, batch) if name in wanted}
        return lambda: model.run(["logits"], feeds)

    return [run(batch) for batch in batches]
