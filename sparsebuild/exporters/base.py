"""Writing a token classifier as ONNX: inputs `input_ids`, `attention_mask`, and `token_type_ids` where the model
tells types of pieces apart; output `logits`.

The TorchScript route of `torch.onnx.export` is the default: it takes half a second. It is torch's older route, so the
newer one, `dynamo`, is held to the same tests. What either writes is cleaned of what it knows of this machine (the
newer one puts the paths of source files into every node), so that two processes write the same bytes, and of what it
computes for nothing (`graph_passes.py`).
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from sparsebuild.encoders import longest
from sparsebuild.errors import UserError
from sparsebuild.exporters.graph_passes import simplify

__all__ = ["DEFAULT_OPSET", "FILE_NAME", "SCHEME_KEY", "Exporter", "write_onnx"]

FILE_NAME = "model.onnx"
DEFAULT_OPSET = 18  # the newest that DeepSparse 1.8 reads, and the oldest that torch's newer exporter writes
OUTPUT = "logits"  # (batch, sequence, labels) float32
SCHEME_KEY = "sparsebuild.scheme"  # of the file's metadata, so that whoever opens it knows for which CPUs it is


class Exporter(Protocol):
    """Writes `model`, in evaluation mode and left as it is, to `path`; raises UserError where the scheme cannot."""

    def __call__(self, model: Any, path: Path, opset: int, exporter: str = "torchscript") -> None: ...


def write_onnx(model: Any, path: Path, opset: int, exporter: str, scheme: str) -> None:
    """Export `model` with dynamic batch and sequence. `model` is not changed by it."""
    with _quiet():
        written = (_by_dynamo if exporter == "dynamo" else _by_torchscript)(_logits_only(model), opset)
    simplify(written)
    _clean(written, scheme)
    path.write_bytes(written.SerializeToString(deterministic=True))


def _by_torchscript(model: Any, opset: int) -> Any:
    import onnx
    import torch

    axes = {0: "batch", 1: "sequence"}
    weights = {f"model.{name}": tensor.detach() for name, tensor in model.model.state_dict().items()}
    # This route copies all that a module holds at each of its passes. So it is told that there is nothing, and is given
    # the weights as inputs: the same graph in two thirds of the time.
    model.state_dict = lambda *_, **__: {}
    file: Any = io.BytesIO()
    torch.onnx.export(
        model,
        (*_example(len(model.inputs)), *weights.values()),
        file,
        dynamo=False,
        input_names=[*model.inputs, *weights],
        output_names=[OUTPUT],
        dynamic_axes=dict.fromkeys((*model.inputs, OUTPUT), axes),
        opset_version=opset,
        do_constant_folding=False,  # folding would turn int8 weights back into float
    )
    written = onnx.load_from_string(file.getvalue())
    _fill(written.graph, weights)
    return written


def _fill(graph: Any, weights: dict[str, Any]) -> None:
    """Make what was given beside the inputs the weights of the file."""
    from onnx import numpy_helper

    read = {name for node in graph.node for name in node.input}
    found = [value.name for value in graph.input if value.name in weights and value.name in read]
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.initializer.extend(numpy_helper.from_array(weights[name].numpy(), name) for name in found)


def _by_dynamo(model: Any, opset: int) -> Any:
    import torch

    try:
        import onnxscript  # noqa: F401 - torch needs it, and says so only deep inside
    except ImportError:
        raise UserError(
            "the exporter `dynamo` needs onnxscript, which is not installed",
            hint="pip install 'sparsebuild[dynamo]', or leave `export.exporter` out",
        ) from None
    dimensions = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", max=_longest(model))}
    program = torch.onnx.export(
        model,
        _example(len(model.inputs)),
        dynamo=True,
        input_names=list(model.inputs),
        output_names=[OUTPUT],
        dynamic_shapes=((dimensions,) * len(model.inputs),),
        opset_version=opset,
        optimize=False,  # its folding would turn int8 weights back into float
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _example(count: int) -> tuple[Any, ...]:
    import torch

    ids = torch.ones(2, 7, dtype=torch.long)  # sizes that differ from each other and from 1, which tracing may bake in
    return (ids, torch.ones_like(ids), torch.zeros_like(ids))[:count]


def _longest(model: Any) -> int:
    return longest(model.model.config.to_dict()) or 512


def _clean(model: Any, scheme: str) -> None:
    """Take out what tells of this machine and of the code that was traced, and put in the scheme."""
    import onnx

    _strip(model)
    # The newer exporter asks for a newer form of the file than its operators need, which older runtimes refuse.
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    onnx.helper.set_model_props(model, {SCHEME_KEY: scheme})


def _strip(part: Any) -> None:
    """Take out the notes of a part of a file and of all that is in it, branches and functions included."""
    for field, value in part.ListFields():
        if field.name in {"doc_string", "metadata_props"}:
            part.ClearField(field.name)
        elif field.message_type:
            for inner in (value,) if hasattr(value, "ListFields") else value:
                _strip(inner)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of shapes that are constant on purpose."""
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def _logits_only(model: Any) -> Any:
    import torch
    from torch import Tensor, nn

    from sparsebuild.training.inputs import input_names, takes_types

    is_typeless = takes_types(model) and "token_type_ids" not in input_names(model)

    class LogitsOnly(nn.Module):
        """The traced function. A fresh module is in training mode, and the exporter would put `model` into it too.

        After the inputs it may be given weights, in the order of `names`, to compute with in place of its own.
        """

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.inputs = input_names(model)
            self.names = tuple(model.state_dict())

        def forward(self, *values: Tensor) -> Tensor:
            count = len(self.inputs)
            given = dict(zip(self.inputs, values[:count], strict=True))
            if is_typeless:  # said, since a model that is told nothing gathers them from a table of positions
                given["token_type_ids"] = torch.zeros_like(given["input_ids"])
            with _lent(self.model, zip(self.names, values[count:], strict=False)):  # the newer route gives none
                logits: Tensor = self.model(**given).logits
            return logits.float()  # nothing in float32, and what `fp16` answers all the same

    return LogitsOnly().eval()


@contextlib.contextmanager
def _lent(model: Any, weights: Iterable[tuple[str, Any]]) -> Iterator[None]:
    """The model with other tensors, by the names of its state."""
    own = []
    try:
        for name, tensor in weights:
            path, _, leaf = name.rpartition(".")
            module = model.get_submodule(path)
            held = module._parameters if leaf in module._parameters else module._buffers
            own.append((held, leaf, held[leaf]))
            held[leaf] = tensor
        yield
    finally:
        for held, leaf, tensor in own:
            held[leaf] = tensor
