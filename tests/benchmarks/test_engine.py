"""benchmarks/: what measures us runs, and what it says of a run with nothing to do is true."""

import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_quick_slice_runs_every_part(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "engine.py", "--quick", "--rival", "make", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    ours = next(row for row in rows if row[0] == "sparsebuild")
    ran = [int(found[1]) for cell in ours if (found := re.search(r"(\d+) ran", cell))]
    assert ran == [5, 0, 1, 3, 0]  # first build, weights touched, a comment, a setting, and back
    assert list(tmp_path.iterdir()) == []
