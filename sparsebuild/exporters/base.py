"""Writing a token classifier as ONNX: inputs `input_ids`, `attention_mask`, `token_type_ids`; output `logits`.

The TorchScript route of `torch.onnx.export` is used: it takes half a second, and it leaves no path, time or host name
in the file, so that two processes write the same bytes.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Protocol

__all__ = ["FILE_NAME", "Exporter", "write_onnx"]

FILE_NAME = "model.onnx"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # each (batch, sequence) int64
OUTPUT = "logits"  # (batch, sequence, labels) float32


class Exporter(Protocol):
    """Writes `model`, in evaluation mode and left as it is, to `path`; raises UserError where the scheme cannot."""

    def __call__(self, model: Any, path: Path, opset: int) -> None: ...


def write_onnx(model: Any, path: Path, opset: int) -> None:
    """Export `model` with dynamic batch and sequence. `model` is not changed by it."""
    import torch

    axes = {0: "batch", 1: "sequence"}
    ids = torch.ones(2, 7, dtype=torch.long)  # sizes that differ from each other and from 1, which tracing may bake in
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of shapes that are constant on purpose
        torch.onnx.export(
            _logits_only(model),
            (ids, torch.ones_like(ids), torch.zeros_like(ids)),
            str(path),
            dynamo=False,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes=dict.fromkeys((*INPUTS, OUTPUT), axes),
            opset_version=opset,
            do_constant_folding=False,  # folding would turn int8 weights back into float
        )


def _logits_only(model: Any) -> Any:
    from torch import Tensor, nn

    class LogitsOnly(nn.Module):
        """The traced function. A fresh module is in training mode, and the exporter would put `model` into it too."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
            out = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
            logits: Tensor = out.logits
            return logits

    return LogitsOnly().eval()
