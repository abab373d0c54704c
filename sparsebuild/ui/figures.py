"""Numbers as people read them: durations, sizes, shares, and the figures of a training."""

from __future__ import annotations

from collections.abc import Mapping

from sparsebuild.ui.inert import one_line

__all__ = ["OF_THE_MOMENT", "amount", "count", "duration", "figure", "figures", "rate", "share", "size"]

# In the order in which they are shown, with the names that people use; other figures follow under their own names.
OF_THE_MOMENT = {"epoch", "learning_rate", "step"}  # worth seeing while they change, and nothing at the end

_COUNTS = {"step", "steps", "sentences"}
_NAMES = {"epoch": "epoch", "loss": "loss", "learning_rate": "lr", "sparsity": "sparsity", "f1": "F1"}


def duration(seconds: float) -> str:
    """`0.3 s`, `48 s`, `12 min 3 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count_bytes: float) -> str:
    """`684 B`, `22.9 MB`: powers of 1000, as disks and downloads are told."""
    if count_bytes < 1000:
        return f"{count_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count_bytes /= 1000
        if count_bytes < 999.95 or unit == "GB":
            break
    return f"{count_bytes:.1f} {unit}"


def amount(number: float, unit: str) -> str:
    """`100 steps`, `22.9 MB`."""
    return size(number) if unit == "bytes" else f"{number:,.0f} {one_line(unit)}"


def rate(per_second: float | None, unit: str) -> list[str]:
    """`11.2 MB/s` of a download; nothing of what is told by its time alone."""
    return [f"{size(per_second)}/s"] if per_second and unit == "bytes" else []


def share(value: float) -> str:
    """`80.0 %` of a number from 0 to 1."""
    return f"{value * 100:.1f} %"


def count(number: int, noun: str) -> str:
    """`1 target`, `2 targets`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def figures(fields: Mapping[str, float | str]) -> list[str]:
    """`loss 0.1432`, `lr 2.3e-04` …, the ones that everybody knows first."""
    known = [name for name in _NAMES if name in fields]
    return [figure(name, fields[name]) for name in [*known, *(name for name in fields if name not in _NAMES)]]


def figure(name: str, value: float | str) -> str:
    """One figure with its name."""
    return f"{_NAMES.get(name, one_line(name))} {_number(name, value)}"


def _number(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return one_line(value)
    if name == "epoch":
        return f"{value:.2f}"
    if name == "learning_rate":
        return f"{value:.1e}"
    if name == "sparsity":
        return share(value)
    if name in _COUNTS:
        return f"{value:,.0f}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 1000 else f"{value:.4g}"
