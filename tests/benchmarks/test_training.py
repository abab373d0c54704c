"""benchmarks/training.py runs, on a model that shows nothing but that."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path):
    """A two-layer BERT with the tokenizer of the test cases."""
    from transformers import BertConfig, BertModel

    folder = tmp_path / "model"
    shutil.copytree(ROOT / "tests" / "cases" / "data" / "tokenizer", folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=1000, max_position_embeddings=128, **sizes)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_quick_slice_gives_every_row_a_figure(model, tmp_path):
    names = (
        "control",
        "dropout",
        "masks",
        "qat",
        "distillation",
        "cut",
        "products",
        "schedule",
        "schedule-bf16",
        "memory",
        "prepare",
    )
    rows = [word for name in names for word in ("--only", name)]
    given = ["--model", model, "--data", ROOT / "templates" / "quickstart" / "data", "--folder", tmp_path / "work"]
    quick = ["--quick", "--threads", "1", "--rows", "3000"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "training.py", *quick, *rows, *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
    ratios = [row[1] for row in told[2:14]]
    assert all(re.fullmatch(r"\d+\.\d+ ×", ratio) for ratio in ratios)
    assert re.fullmatch(r"[\d,]+ rows/s, [\d,]+ rows per CPU second, \d+ MiB", told[14][4])
