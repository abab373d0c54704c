"""OpenVINO on the CPU, one stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # of a batch; a file may want fewer


def version() -> str:
    import openvino

    return str(openvino.__version__).partition("-")[0]


def open_model(path: str, threads: int) -> Any:
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads)}
    return openvino.Core().compile_model(path, "CPU", settings).create_infer_request()


def feed(model: Any, batches: list[Any]) -> list[Callable[[], Any]]:
    wanted = {value.any_name for value in model.model_inputs}

    def run(batch: Any) -> Callable[[], Any]:
        feeds = {name: values for name, values in zip(INPUTS, batch) if name in wanted}
        return lambda: model.infer(feeds)

    return [run(batch) for batch in batches]
