"""A model's files: which of a folder's are needed, and what is refused before anything opens them.

Weights are safetensors, in one file or in shards that an index names. A pickle can run code: one is taken only where
the source says `trust = "pickle"`, opened in a process of its own that loads tensors and nothing else, and what a
build sees is the safetensors file made of it. Files that ask for code of their own are refused by name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sparsebuild.concealed import without_tokens
from sparsebuild.errors import Problem, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource, names_fault, path_fault
from sparsebuild.providers.base import Context, is_wanted
from sparsebuild.reading import read_small

__all__ = ["CONFIGS", "LARGEST_CONFIG", "PICKLE", "make_safe", "models", "needed", "refuse_code"]

PICKLE = "pickle"  # what `trust` says

# These are read by transformers, and can name code.
CONFIGS = ("config.json", "tokenizer_config.json")
LARGEST_CONFIG = 5_000_000  # bytes, of these and of the index of shards; as JSON it can take thirty times as much

_INDEX = ".index.json"
_SAFE, _PICKLED = "model.safetensors", "pytorch_model.bin"
_CODE_KEYS = ("auto_map", "trust_remote_code", "custom_pipelines")
_IMPLEMENTATION_KEYS = {
    f"{start}{what}_implementation{end}"
    for start in ("", "_")
    for what in ("attn", "experts")
    for end in ("", "_internal")
}
# What transformers brings itself; any other name can mean a kernel to download and run.
_IMPLEMENTATIONS = {
    "eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3", "flash_attention_4", "batched_mm",
    "grouped_mm",
}  # fmt: skip


def needed(names: Collection[str], trust: str, read: Callable[[str], bytes]) -> list[str]:
    """Which of the files in a model's folder a build needs, sorted; `read` gives the bytes of a small one.

    Raises UserError for a folder that is no model, and SourceUnavailable where only a pickle has the weights.
    """
    if "config.json" not in names:
        raise UserError(
            "it holds no config.json, so it is not a model", hint="correct the path, or put the files there"
        )
    beside = [name for name in names if is_wanted(name, "model") and ".safetensors" not in name]
    return sorted([*beside, *_weights(names, trust, read)])


def models(paths: Iterable[str]) -> list[str]:
    """The folders that could be models, sorted: a part of one (`1_Pooling`) has a config.json too, but no weights."""
    inside: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        inside.setdefault(folder, set()).add(name)
    weights = {name + end for name in (_SAFE, _PICKLED) for end in ("", _INDEX)}
    return sorted(folder for folder, names in inside.items() if folder and "config.json" in names and names & weights)


def refuse_code(name: str, data: bytes) -> None:
    """Raise SourceUnavailable if a model's `config.json` or `tokenizer_config.json` asks for code of its own."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise SourceUnavailable(f"`{name}` is not JSON", hint="the model is damaged where it comes from") from None
    for key, value in _asked_code(document):
        raise SourceUnavailable(
            f"`{name}` asks for code that is not transformers' own: `{key}` = {json.dumps(value)[:100]}",
            hint="such code is never run; take a model whose architecture transformers has",
        )


def make_safe(folder: Path, source: LockedSource, context: Context) -> None:
    """See to it that a model that was put into `folder` can be opened: no code, no damage, no pickles."""
    names = [file.path for file in source.files]
    for name in names:
        if name in CONFIGS:
            refuse_code(name, read_small(folder / name, LARGEST_CONFIG))
        elif name.endswith(".safetensors"):
            _check_safetensors(folder / name, source)
    pickles = [name for name in names if name.endswith(".bin")]
    if pickles and source.trust != PICKLE:
        raise _only_pickles(pickles)
    for name in pickles:
        context.report(f"converting {name} to safetensors")
        _convert(folder / name, folder / _as_safetensors(name))
        (folder / name).unlink()
    if _PICKLED + _INDEX in names:
        _convert_index(folder)


def _weights(names: Collection[str], trust: str, read: Callable[[str], bytes]) -> list[str]:
    for whole in (_SAFE, *([_PICKLED] if trust == PICKLE else [])):
        if whole in names:
            return [whole]
        if whole + _INDEX in names:
            return [whole + _INDEX, *_shards(whole + _INDEX, names, read)]
    pickles = [name for name in (_PICKLED, _PICKLED + _INDEX) if name in names]
    if pickles:
        raise _only_pickles(pickles)
    raise UserError(
        "it holds no weights: neither model.safetensors, nor an index of its shards",
        hint="weights of TensorFlow, Flax or GGUF are not read",
    )


def _shards(index: str, names: Collection[str], read: Callable[[str], bytes]) -> list[str]:
    """The files that an index of shards names, each of which must be there, in the same folder."""
    try:
        named = sorted({str(shard) for shard in json.loads(read(index))["weight_map"].values()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise SourceUnavailable(f"`{index}` is not an index of shards") from None
    suffix = ".safetensors" if _SAFE in index else ".bin"
    if wrong := [shard for shard in named if "/" in shard or path_fault(shard) or not shard.endswith(suffix)]:
        raise SourceUnavailable(f"`{index}` names {wrong[0]!r}, which is no shard in its folder")
    if fault := names_fault(named):
        raise SourceUnavailable(f"`{index}` is refused: {fault}")
    if lost := [shard for shard in named if shard not in names]:
        raise SourceUnavailable(f"`{index}` names {lost[0]}, which is not there", hint="the model is not complete")
    return named


def _only_pickles(names: Sequence[str]) -> SourceUnavailable:
    return SourceUnavailable(
        f"the weights are only there as {names[0]}, a pickle, which could run code",
        hint='if you trust it, write `trust = "pickle"` beside this source: tensors alone are loaded, and converted',
    )


def _asked_code(document: Any) -> Iterator[tuple[str, Any]]:
    """The keys, at any depth, that name code to run."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            for key, inner in value.items():
                if (key in _CODE_KEYS and inner) or (key in _IMPLEMENTATION_KEYS and _is_custom(inner)):
                    yield key, inner


def _is_custom(value: Any) -> bool:
    named = list(value.values()) if isinstance(value, dict) else [value]
    return any(name is not None and name not in _IMPLEMENTATIONS for name in map(_text_or_none, named))


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _check_safetensors(path: Path, source: LockedSource) -> None:
    """Its header, and that each tensor lies within the file; the bytes are what the lock promises already."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")  # bytes
    if header > LARGEST_CONFIG and header < path.stat().st_size:
        raise SourceUnavailable(f"`{path.name}` of `{source.name}` begins with {header:,} bytes that are no tensors")
    try:
        with safe_open(path, framework="numpy"):
            pass
    except SafetensorError as error:
        raise SourceUnavailable(
            f"`{path.name}` of `{source.name}` is not a safetensors file: {error}",
            hint="it is damaged where it comes from, and no other file is taken in its place",
        ) from None


def _as_safetensors(name: str) -> str:
    return name.replace("pytorch_model", "model", 1).removesuffix(".bin") + ".safetensors"


def _convert(pickled: Path, safe: Path) -> None:
    """Apart from this process and its tokens, and from the project: `-I` imports nothing from where it runs."""
    command = [sys.executable, "-I", "-m", "sparsebuild.providers.unpickle", str(pickled), str(safe)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=without_tokens(os.environ),
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise SourceUnavailable(
            Problem(message=f"`{pickled.name}` cannot be converted: {said}", hint="nothing in it was run")
        )


def _convert_index(folder: Path) -> None:
    index = json.loads((folder / (_PICKLED + _INDEX)).read_bytes())
    index["weight_map"] = {n: _as_safetensors(str(shard)) for n, shard in index["weight_map"].items()}
    (folder / (_SAFE + _INDEX)).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / (_PICKLED + _INDEX)).unlink()
