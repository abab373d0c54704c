"""`python -I -m sparsebuild.providers.unpickle PICKLE SAFETENSORS`: a checkpoint's tensors, and nothing else.

torch's `weights_only` reads a pickle without calling what it names. This runs in a process of its own, so that a fault
in that reader has nothing around it. Ends with 1 and one line on stderr for what is not a plain set of tensors.
"""

from __future__ import annotations

import re
import sys
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["main"]


def main(pickled: str, safe: str) -> int:
    """Write the tensors of `pickled` to `safe`; the exit code."""
    import torch
    from safetensors.torch import save_file

    try:
        # Files of torch before 1.6 are no archives, and cannot be mapped into memory.
        loaded = torch.load(pickled, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(pickled))
        tensors = _tensors(loaded)
    except Exception as error:
        sys.stderr.write(_said(error) + "\n")
        return 1
    save_file(_apart(tensors), safe, metadata={"format": "pt"})
    return 0


def _tensors(loaded: Any) -> dict[str, Tensor]:
    from torch import Tensor, strided

    found = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else {}
    other = [name for name, value in found.items() if not isinstance(value, Tensor) or value.layout != strided]
    if not found or other:
        raise ValueError(f"it holds {other[0]!r}, which is no tensor" if other else "it holds no tensors by name")
    return {str(name): value for name, value in found.items()}


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor with memory of its own: tied weights share theirs, which safetensors does not write."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone().contiguous() if place in seen else tensor.contiguous()
        seen.add(place)
    return apart


def _said(error: Exception) -> str:
    """One line: torch explains over many how to load such a file anyway."""
    text = str(error)
    if named := re.search(r"Unsupported global: GLOBAL (\S+)", text):
        return f"it asks to run `{named[1]}`"
    if "Weights only load failed" in text:
        return "it holds more than tensors"
    lines = text.strip().splitlines()
    return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
