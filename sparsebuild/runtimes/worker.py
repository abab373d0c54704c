"""One model in one runtime, in a process of its own: `python worker.py RUNTIME.py`, JSON lines in and out.

    {"open": path, "threads": n}  → {"version": …}, or {"missing": why} where the runtime is not here
    {"feed": [rows, …]}           → {}                rows: lists of pieces, as long as each other
    {"time": k, "repeat": n, "warm": true}  → {"seconds": […]}  of batch k; warm: after a run that is not timed
    {"memory": true}              → {"bytes": most that was resident since the runtime was imported, less what was then}

It runs in whatever environment has the runtime: Python 3.8 and numpy, nothing of ours. What a runtime prints goes to
stderr, since stdout is for answers.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

BEFORE = {"bytes": 0}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    runtime = _load(sys.argv[1])
    state: dict[str, Any] = {}
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line), runtime, state)) + "\n")
        answers.flush()


def _load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("runtime", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _answer(asked: dict[str, Any], runtime: Any, state: dict[str, Any]) -> dict[str, Any]:
    try:
        if "open" in asked:
            return _open(asked, runtime, state)
        if "feed" in asked:
            state["runs"] = runtime.feed(state["model"], [_batch(rows) for rows in asked["feed"]])
            return {}
        if "time" in asked:
            return {"seconds": _timed(state["runs"][asked["time"]], asked["repeat"], asked["warm"])}
        return {"bytes": max(_peak() - BEFORE["bytes"], 0)}
    except Exception as error:  # of a runtime: whatever it is, the others are still measured
        return {"failed": "{}: {}".format(type(error).__name__, " ".join(str(error).split()))[:500]}


def _open(asked: dict[str, Any], runtime: Any, state: dict[str, Any]) -> dict[str, Any]:
    try:
        version = runtime.version()
    except ImportError as error:
        return {"missing": str(error)}
    BEFORE["bytes"] = _resident()
    state["model"] = runtime.open_model(asked["open"], asked["threads"])
    return {"version": version}


def _batch(rows: Any) -> Any:
    import numpy as np

    ids = np.array(rows, dtype=np.int64)
    return ids, np.ones_like(ids), np.zeros_like(ids)


def _timed(run: Any, repeat: int, warm: bool) -> Any:
    if warm:
        run()
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return seconds


def _resident() -> int:
    """Bytes in memory now; where the system does not tell, the most there were."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak()


def _peak() -> int:
    """The most that was ever resident; `getrusage` alone would count what the parent had when it forked."""
    try:
        told = Path("/proc/self/status").read_text()
        return int(told.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    main()
