"""What has to be set for two processes to compute the same bits on one kind of CPU."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

__all__ = ["configure", "cpu_kind", "gpu_kind", "seed_for_step"]


def configure(threads: int, matmul_precision: str) -> None:
    """Set the thread count (sums are split by it), the precision of float32 products, and exact algorithms."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not exact, and torch refuses
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul_precision)
    torch.use_deterministic_algorithms(True)
    # Deterministic mode also fills every fresh tensor with NaN, which costs up to a seventh of a step and finds
    # only reads of memory that nobody wrote.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def seed_for_step(seed: int, step: int, rank: int = 0) -> None:
    """Make dropout a function of the step and the process alone, so that a checkpoint needs no random state."""
    torch.manual_seed((seed * 1_000_003 + step + rank * 500_000_003) % 2**31)


def cpu_kind() -> str:
    """The processor and the vector instructions that decide which kernels run, such as `AMD EPYC, avx512_vnni`."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    first = info.read_text().split("\n\n")[0]
    lines: dict[str, str] = {}
    for line in first.splitlines():
        name, _, value = line.partition(":")
        lines[name.strip()] = value.strip()
    flags = set(lines.get("flags", "").split())
    best = next((f for f in ("amx_tile", "avx512_vnni", "avx512f", "avx_vnni", "avx2") if f in flags), "no AVX2")
    return f"{lines.get('model name', platform.machine())}, family {lines.get('cpu family', '?')}, {best}"


def gpu_kind() -> str:
    """The GPU that is computed with, as its driver names it; nothing where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
