"""The names and shapes of a model's tensors, from the headers of its safetensors files: no weight is read."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sparsebuild.encoders import head_width, longest
from sparsebuild.errors import SparsebuildError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers import LOCAL, scheme_of
from sparsebuild.providers.base import Context
from sparsebuild.providers.file import located
from sparsebuild.providers.weights import LARGEST_CONFIG
from sparsebuild.reading import read_small

__all__ = ["Shapes", "has_quantized_linears", "longest_read", "model_type", "shapes", "weight_bits", "width_of_heads"]

Shapes = Mapping[str, tuple[int, ...]]

_SPARSEML_LINEAR, _SPARSEML_BITS = ".module.weight_fake_quant.scale", 8  # around a layer that it rounds inputs of
_LARGEST_HEADER = 100_000_000  # bytes, as the format itself has it


def shapes(source: LockedSource, context: Context) -> Shapes | None:
    """Every tensor's shape by its name; None where a header is not at hand, or is none."""
    files = [file for file in source.files if file.path.endswith(".safetensors")]
    found: dict[str, tuple[int, ...]] = {}
    for path in _paths(source, files, context):
        header = _header(path) if path else None
        if header is None:
            return None
        found |= header
    return found or None


def model_type(source: LockedSource, context: Context) -> str:
    """The `model_type` of `config.json`, or nothing."""
    return str(_document("config.json", source, context).get("model_type", ""))


def longest_read(source: LockedSource, context: Context) -> int | None:
    """How many pieces the model reads by its `config.json`; None where that does not say, or is not at hand."""
    return longest(_document("config.json", source, context))


def width_of_heads(source: LockedSource, context: Context) -> int | None:
    """How wide a head of the model is; None where `config.json` does not say, or is not at hand."""
    return head_width(_document("config.json", source, context))


def has_quantized_linears(source: LockedSource, context: Context) -> bool:
    """Whether the `structure.json` of a model of ours is at hand and names Linears that are quantized."""
    return bool(_document("structure.json", source, context).get("linears"))


def weight_bits(source: LockedSource, context: Context) -> int:
    """The most bits of a quantized Linear's weights, by the `structure.json` of a model of ours, or by the tensors that
    SparseML leaves; 0 where there are none, or nothing is at hand.
    """
    said = _document("structure.json", source, context)
    if not said:
        names = shapes(source, context) or ()
        return _SPARSEML_BITS if any(name.endswith(_SPARSEML_LINEAR) for name in names) else 0
    with suppress(KeyError, TypeError, AttributeError, ValueError, OverflowError):  # it is somebody's file
        schemes, usual = said.get("schemes", {}), int(said["weight_levels"]).bit_length() + 1
        grids = {name: schemes[name].get("weights") for name in said["linears"] if name in schemes}
        bits = [int(grid["bits"]) if grid else 0 for grid in grids.values()]
        return max([*bits, *([usual] if len(grids) < len(said["linears"]) else [])], default=0)
    return 0


def _document(name: str, source: LockedSource, context: Context) -> dict[str, Any]:
    """What stands in a small JSON file of a model; nothing where it is not at hand, or no such file."""
    files = [file for file in source.files if file.path == name]
    for path in _paths(source, files, context):
        with suppress(OSError, ValueError, SparsebuildError, RecursionError):
            data: Any = json.loads(read_small(path, LARGEST_CONFIG)) if path else {}
            return data if isinstance(data, dict) else {}
    return {}


def _paths(source: LockedSource, files: list[LockedFile], context: Context) -> Iterator[Path | None]:
    """Where the bytes of each file are, in the store or where a local source has them."""
    here: Mapping[str, Path] = {}
    if scheme_of(source.request) in LOCAL:
        with suppress(SparsebuildError, OSError):
            here = located(source, context.root)
    for file in files:
        yield context.store.path(file.sha256) if context.store.has(file.sha256) else here.get(file.path)


def _header(path: Path) -> dict[str, tuple[int, ...]] | None:
    """Eight bytes of length, little endian, and so many of JSON."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            text = stream.read(length) if length <= _LARGEST_HEADER else b""
        data = json.loads(text)
        return {name: tuple(map(int, it["shape"])) for name, it in data.items() if name != "__metadata__"}
    except (OSError, struct.error, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
