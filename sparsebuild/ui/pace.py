"""How fast a target was in the last minute, and how long it still takes."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

_APART = 0.1  # seconds between two samples; downloads tell of every block
_WINDOW = 60.0  # seconds; long enough to be calm, short enough to notice that quantization made the steps slower


class Pace:
    """Watches one target's progress."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self._unit = ""

    def saw(self, now: float, done: float, unit: str = "") -> None:
        """Note that at time `now` (seconds) `done` was done; going back, or another unit, starts the watch afresh."""
        if self._samples and (done < self._samples[-1][1] or unit != self._unit):
            self._samples.clear()
        self._unit = unit
        if len(self._samples) > 1 and now - self._samples[-2][0] < _APART:
            self._samples.pop()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """What is done in a second; None while nothing can be said."""
        if len(self._samples) < 2:
            return None
        (start, before), (now, done) = self._samples[0], self._samples[-1]
        if now - start < 1 or done <= before:
            return None
        return (done - before) / (now - start)

    def left(self, total: float) -> float | None:
        """Seconds until `total` is done; None while nothing can be said."""
        return max(total - self._samples[-1][1], 0) / self.rate if total and self.rate else None
