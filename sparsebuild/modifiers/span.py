"""From when to when a modifier acts, in epochs, and how that is told to people."""

from __future__ import annotations

from typing import Protocol

from sparsebuild.modifiers.base import Moment, Phase
from sparsebuild.numerics.sparsity_schedule import reached

__all__ = [
    "Span",
    "begin",
    "has_ended",
    "has_started",
    "is_active",
    "number",
    "often",
    "percent",
    "ramp_and_after",
    "until",
]


class Span(Protocol):
    """Anything with a start and an end; -1 stands for the beginning and the end of training."""

    @property
    def start_epoch(self) -> float: ...
    @property
    def end_epoch(self) -> float: ...


def begin(span: Span) -> float:
    """The epoch at which `span` starts, 0 at the earliest."""
    return max(span.start_epoch, 0.0)


def until(span: Span, epochs: float) -> float:
    """The epoch at which `span` ends in a run of `epochs`."""
    return min(span.end_epoch, epochs) if span.end_epoch >= 0 else epochs


def ramp_and_after(
    tag: str, span: Span, epochs: float, told: str, at: str, *, is_held: bool = True
) -> tuple[Phase, ...]:
    """What a modifier does in its span, and that it then holds `at` what it came to, where it holds anything."""
    end = until(span, epochs)
    ramp = Phase(modifier=tag, start=begin(span), end=end, value=told)
    if not is_held or end >= epochs:
        return (ramp,)
    return (ramp, Phase(modifier=tag, start=end, end=epochs, value=f"held at {at}"))


def has_started(span: Span, moment: Moment) -> bool:
    return reached(moment.epoch, span.start_epoch)


def has_ended(span: Span, moment: Moment) -> bool:
    return span.end_epoch >= 0 and reached(moment.epoch, span.end_epoch)


def is_active(span: Span, moment: Moment) -> bool:
    return has_started(span, moment) and not has_ended(span, moment)


def number(value: float) -> str:
    """As people write it: 1.5e-4, 0.001, 13."""
    if value and abs(value) < 1e-3:
        mantissa, _, exponent = f"{value:.6e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.6g}"


def often(frequency: float) -> str:
    """As people say how often something happens, by the epochs between; -1 stands for every step."""
    return "every step" if frequency < 0 else f"every {number(frequency)} epochs"


def percent(share: float) -> str:
    """0.8 as "80 %"."""
    return f"{100 * share:.4g} %"
