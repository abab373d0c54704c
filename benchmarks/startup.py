"""How long the commands that must start at once take: `make bench`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = (["--version"], ["--help"], ["run", "--help"], ["schema"])
RUNS = 9


def main() -> None:
    """Run each command a few times in a fresh interpreter and print the median and the best."""
    for words in COMMANDS:
        took = [seconds(words) for _ in range(RUNS)]
        figures = f"median {statistics.median(took) * 1000:.0f} ms, best {min(took) * 1000:.0f} ms of {RUNS}"
        sys.stdout.write(f"sparsebuild {' '.join(words):<12} {figures}\n")


def seconds(words: list[str]) -> float:
    """Wall-clock time of one `sparsebuild WORDS`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sparsebuild", *words], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
