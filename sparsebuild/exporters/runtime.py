"""An exported file in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsebuild.training.evaluation import LogitsOf

__all__ = ["input_names", "open_session", "scheme_of", "session_logits"]


def open_session(path: Path, threads: int) -> Any:
    """A session on the CPU with `threads` threads; ONNX Runtime's own warnings are kept out of the way."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def scheme_of(session: Any) -> str:
    """The export scheme that a file tells; empty for one that we did not write."""
    from sparsebuild.exporters.base import SCHEME_KEY

    return str(session.get_modelmeta().custom_metadata_map.get(SCHEME_KEY, ""))


def input_names(session: Any) -> list[str]:
    """What the file wants to be given, in its order: the names of a batch's tensors."""
    return [value.name for value in session.get_inputs()]


def session_logits(session: Any) -> LogitsOf:
    """The session as a function from a batch to logits."""
    import torch

    names = input_names(session)

    def logits_of(batch: Any) -> Any:
        feeds = {name: getattr(batch, name).numpy() for name in names}
        return torch.from_numpy(session.run(["logits"], feeds)[0])

    return logits_of
