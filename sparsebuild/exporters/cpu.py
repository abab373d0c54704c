"""Whether integer products on this CPU mean what they say.

x86 CPUs without VNNI (AVX-512 VNNI, AVX-VNNI or AMX) add two products of uint8 and int8 in 16 bits, which saturate
where weights use all 8 bits. A file of scheme `ort-cpu` or `tensorrt` is silently another model there.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Collection
from pathlib import Path

__all__ = ["caution", "saturates"]

_EIGHT_BITS = ("ort-cpu", "tensorrt")
_EXACT = {"avx512_vnni", "avx_vnni", "amx_int8", "avx_vnni_int8"}


def caution(scheme: str) -> str:
    """What whoever exports or opens a file of this scheme here should know, or nothing."""
    if scheme in _EIGHT_BITS and saturates():
        return (
            f"this CPU has no VNNI: products of 8-bit weights saturate, and a file of scheme `{scheme}` gives other "
            "answers here; `portable` gives the same everywhere"
        )
    return ""


def saturates(machine: str | None = None, flags: Collection[str] | None = None) -> bool:
    """Whether the products of this CPU, or of one of that kind with these flags, saturate; no where nobody can say."""
    if (machine or platform.machine()).lower() not in ("x86_64", "amd64"):
        return False
    found = _flags() if flags is None else set(flags)
    return bool(found) and not found & _EXACT


def _flags() -> set[str]:
    try:
        told = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return set()
    return set(told[1].split()) if told else set()
