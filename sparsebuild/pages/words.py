"""Numbers as the report says them, and charts as its template takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["at", "chart", "count", "four", "listed", "number", "safe", "share", "size", "three"]


def chart(title: str, svg: str, *, is_broad: bool = False) -> dict[str, Any]:
    return {"title": title, "svg": safe(svg), "is_broad": is_broad}


def safe(text: str) -> Any:
    """Text that we wrote ourselves, or a library that escapes: it goes into the page as it is."""
    from markupsafe import Markup

    return Markup(text)


def share(value: float) -> str:
    return f"{value * 100:.1f} %"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.95 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def four(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def three(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def listed(names: Iterable[str]) -> str:
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def at(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures.get(key) if isinstance(figures, Mapping) else None
    return figures
