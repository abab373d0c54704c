"""What runs an ONNX file, to be measured: one runtime a file, each loaded in a process of its own.

That process may be of another environment, which has the runtime and numpy and nothing of ours. So a runtime's file
stands by itself and keeps to Python 3.8: `worker.py` loads it by its path. It has

    version() -> str
    open_model(path, threads) -> model
    feed(model, batches) -> [run]     one function without arguments for each (ids, mask, types), int64 (batch, length)
"""

__all__ = ["RUNTIMES"]

RUNTIMES = {
    "onnxruntime": "on_onnxruntime.py",
    "openvino": "on_openvino.py",
    "deepsparse": "on_deepsparse.py",
}
