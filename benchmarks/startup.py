"""What the commands that must start at once cost, against importing the libraries that any such command needs.

    python benchmarks/startup.py [PROJECT]        PROJECT: a built project, for a run with nothing to do

CPU seconds of whole processes, each as a ratio to `python -c "import typer, rich"` measured in turn with it.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

BASE = ["-c", "import typer, rich"]
COMMANDS = (["--help"], ["recipe", "show", "templates/quickstart/recipes/pruned80_quant.yaml"], ["schema"])
IN_A_PROJECT = (["run"], ["status"], ["why", "train"])
RUNS = 11


def main(arguments: list[str]) -> None:
    """Print a table: command, median CPU seconds, ratio of medians."""
    projects = [["-C", project, *words] for project in arguments for words in IN_A_PROJECT]
    for words in (*COMMANDS, *projects):
        pairs = [(cpu_seconds(BASE), cpu_seconds(["-m", "sparsebuild", *words])) for _ in range(RUNS)]
        base, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        sys.stdout.write(f"{' '.join(words):<64} {ours:.3f} s  {ours / base:.2f} x\n")


def cpu_seconds(words: list[str]) -> float:
    """User and system time of one `python WORDS`, all its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
