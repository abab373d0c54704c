"""Several small files timed in ONNX Runtime, here and in turns: for differences between them, which are small.

What else the machine does only ever adds to a time, so the fastest tenth counts; and where one thread computes, its
own CPU time, which stands still while others have the core. On a quiet machine that is the time of the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsebuild.runtimes.turns import percentile, rotated

__all__ = ["fastest"]

_QUICK = 0.02  # seconds of a run: of a quicker one the first is not timed, since it finds caches without the model
_TIMED = 3  # runs of a turn
_FEWEST, _MOST = 5, 60  # turns


def fastest(
    files: Mapping[str, Path],
    batch: Sequence[Sequence[int]],  # rows of pieces
    threads: int,
    seconds: float,  # for all of them together, about
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, float]:
    """The time below which a tenth of each file's runs stay, in seconds."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    runs = {name: _opened(path, batch, threads) for name, path in files.items()}
    found: dict[str, list[float]] = {name: [] for name in runs}
    quick: dict[str, bool] = {}
    names = list(runs)
    started, turn, turns = clock(), 0, _FEWEST
    while turn < turns:
        for name in (names[place] for place in rotated(len(names), turn)):
            if quick.get(name, True):
                took = _seconds(runs[name], clock)
                quick.setdefault(name, took < _QUICK)
            found[name] += [_seconds(runs[name], clock) for _ in range(_TIMED if quick[name] else 1)]
        turn += 1
        if turn == 1:
            turns = min(max(int(seconds / max(clock() - started, 1e-9)), _FEWEST), _MOST)
        progress(turn / turns)
    return {name: percentile(times, 0.1) for name, times in found.items()}


def _opened(path: Path, batch: Sequence[Sequence[int]], threads: int) -> Callable[[], Any]:
    import numpy as np

    from sparsebuild.runtimes.on_onnxruntime import feed, open_model

    ids = np.array(batch, dtype=np.int64)
    run: Callable[[], Any] = feed(open_model(str(path), threads), [(ids, np.ones_like(ids), np.zeros_like(ids))])[0]
    run()  # the first run makes room for what it computes
    return run


def _seconds(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    started = clock()
    run()
    return clock() - started
