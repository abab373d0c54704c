"""benchmarks/pruning.py runs, every part of it, and times what it says it times."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "pruning.py"


def test_a_quick_slice_runs_every_part():
    asked = [sys.executable, BENCHMARK, "--quick", "--times", "1", "--threads", "1"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    first = [row[0] for row in rows]
    assert {"GMPruningModifier, 2:4", "27,648", "scores, masks, and what the weights become"} <= set(first)
