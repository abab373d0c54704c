"""What a whole process costs: CPU seconds and peak memory, its children included."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BASE", "Cost", "cost", "median", "row", "say", "table"]

BASE = [sys.executable, "-c", "import typer, rich"]  # what every figure is a ratio to, measured in the same minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one process and all that it waited for."""

    cpu_s: float  # user and system
    wall_s: float
    peak_mib: float  # resident; of the largest of them


# A process begins with the peak memory of the one that started it, so a small one stands between. -I -S keep it small.
_STARTER = """
import os, sys, time
to, *words = sys.argv[1:]
started = time.monotonic()
_, status, used = os.wait4(os.posix_spawnp(words[0], words, os.environ), 0)
told = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, time.monotonic() - started, used.ru_maxrss
os.write(int(to), " ".join(map(str, told)).encode())
"""


def cost(words: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Cost:
    """Run `words`; RuntimeError with what it said where it fails."""
    # Whoever sets this times the compiler of Python, and not the program.
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    receiving, sending = os.pipe()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _STARTER, str(sending), *words],
        cwd=folder,
        env={**known, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(sending,),
        check=False,
    )
    os.close(sending)
    with open(receiving) as told:  # noqa: PTH123  # of a descriptor, not of a path
        code, cpu_s, wall_s, peak_kib = (told.read() or "1 0 0 0").split()
    if code != "0":
        raise RuntimeError(f"{' '.join(words)} ended with {code}:\n{done.stdout.decode(errors='replace')[-2000:]}")
    return Cost(cpu_s=float(cpu_s), wall_s=float(wall_s), peak_mib=int(peak_kib) / 1024)


def median(run: Callable[[], Cost], times: int) -> Cost:
    """The middle of several runs, each figure by itself."""
    costs = [run() for _ in range(times)]
    return Cost(
        cpu_s=statistics.median(c.cpu_s for c in costs),
        wall_s=statistics.median(c.wall_s for c in costs),
        peak_mib=statistics.median(c.peak_mib for c in costs),
    )


def table(title: str, heads: Sequence[str]) -> None:
    """Begin a table, in Markdown."""
    say(f"\n### {title}\n")
    row(heads)
    row(["---"] + ["---:"] * (len(heads) - 1))


def row(cells: Iterable[str]) -> None:
    say(f"| {' | '.join(cells)} |")


def say(text: str) -> None:
    """Write a line at once: a benchmark takes minutes, and its reader wants to see it go on."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
