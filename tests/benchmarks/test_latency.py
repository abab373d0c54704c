"""benchmarks/latency.py times a file beside the dense one that it came from."""

import re
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "latency.py"


def test_each_file_has_its_share_of_the_dense_time(tmp_path):
    from transformers import BertConfig, BertForTokenClassification

    from sparsebuild.exporters.fp32 import export

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertForTokenClassification(BertConfig(vocab_size=25_000, max_position_embeddings=32, **sizes)).eval()
    model.save_pretrained(tmp_path / "model")
    export(model, tmp_path / "mine.onnx", 18)
    asked = ["--model", tmp_path / "model", "--shape", "1x8", "--seconds", "0.05", tmp_path / "mine.onnx"]
    done = subprocess.run([sys.executable, BENCHMARK, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    assert [row[0] for row in rows[2:]] == ["dense fp32", "its dynamic int8", "mine"]
    assert all(re.fullmatch(r"[\d.]+, [\d.]+", row[1]) for row in rows[2:])
    assert rows[2][1].endswith(", 1.000")
