"""benchmarks/latency.py and javascript.py time a file beside the dense one that it came from."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".venv-transformers-js"


@pytest.fixture
def timed(tmp_path):
    """Run a benchmark on a tiny model and a file of it: the cells of the rows that it prints, but for tables' heads."""
    from transformers import BertConfig, BertForTokenClassification

    from sparsebuild.exporters.fp32 import export

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertForTokenClassification(BertConfig(vocab_size=25_000, max_position_embeddings=32, **sizes)).eval()
    model.save_pretrained(tmp_path / "model")
    export(model, tmp_path / "mine.onnx", 18)

    def run(benchmark, *more):
        asked = ["--model", tmp_path / "model", "--shape", "1x8", "--seconds", "0.05", *more, tmp_path / "mine.onnx"]
        command = [sys.executable, ROOT / "benchmarks" / benchmark, *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        rows = [
            [cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"
        ]
        return [row for row in rows if row[0] not in ("", "---")]

    return run


def test_each_file_has_its_share_of_the_dense_time(timed):
    rows = timed("latency.py")
    assert [row[0] for row in rows] == ["dense fp32", "its dynamic int8", "mine"]
    assert all(re.fullmatch(r"[\d.]+, [\d.]+", row[1]) for row in rows)
    assert rows[0][1].endswith(", 1.000")


@pytest.mark.skipif(not NODE.exists(), reason="transformers.js is not there: make runtimes")
def test_in_javascript_too(timed):
    rows = timed("javascript.py", "--node", NODE)
    assert [row[0] for row in rows] == ["dense fp32", "mine"] * 2  # in Node, and in WebAssembly
    assert all(re.fullmatch(r"[\d.]+, [\d.]+", row[1]) for row in rows)
    assert rows[0][1].endswith(", 1.000")
