"""What the commands that must start at once cost, against importing the libraries that any such command needs.

    python benchmarks/startup.py [PROJECT]        PROJECT: a built project, for what has nothing to do there

Whole processes: CPU seconds, their ratio to `python -c "import typer, rich"` measured in turn with them, and memory.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping

from measure import BASE, cost, row, table

COMMANDS = ("--help", "run --help", "schema", "recipe show builtin:pruned80-quant")
COMPLETED = ("sparsebuild ", "sparsebuild run --")
IN_A_PROJECT = ("run", "status", "why train")
RUNS = 11


def main(projects: list[str]) -> None:
    """Print a table: command, median CPU seconds, ratio of medians, peak memory."""
    table("Starting", ["", "CPU", "ratio", "peak memory"])
    for words in COMMANDS:
        measure(words, words.split())
    for line in COMPLETED:
        asked = {"_SPARSEBUILD_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
        measure(f"completing `{line}`", [], asked)
    for project in projects:
        for words in IN_A_PROJECT:
            measure(f"{words}, nothing to do", ["-C", project, *words.split()])


def measure(title: str, words: list[str], environment: Mapping[str, str] | None = None) -> None:
    ours = [sys.executable, "-m", "sparsebuild", *words]
    pairs = [(cost(BASE), cost(ours, environment=environment)) for _ in range(RUNS)]
    base, cpu = (statistics.median(spent.cpu_s for spent in column) for column in zip(*pairs, strict=True))
    peak = statistics.median(spent.peak_mib for _, spent in pairs)
    row([title, f"{cpu:.3f} s", f"{cpu / base:.2f} ×", f"{peak:.0f} MiB"])


if __name__ == "__main__":
    main(sys.argv[1:])
