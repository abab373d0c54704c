"""pages/report.py: one page in a fixed order, in which every text is only a text."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from elements import HOSTILE, Elements

from sparsebuild.pages.report import page


@pytest.fixture(scope="module")
def plain(build):
    return page(build())


def test_sections_stand_in_their_order(plain):
    heads = [attributes["id"] for attributes in Elements(plain).all("h2")]
    assert heads == ["gates", "models", "types", "curves", "sparsity", "speed", "mistakes", "sources", "again"]
    assert [a["href"] for a in Elements(plain).all("a")][1:] == [f"#{name}" for name in heads]


def test_the_policy_allows_the_style_sheet_and_nothing_else(plain):
    style = re.search("<style>(.*?)</style>", plain, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    meta = next(m for m in Elements(plain).all("meta") if "http-equiv" in m)
    assert meta["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded_and_nothing_runs(plain):
    found = Elements(plain)
    assert not {"script", "iframe", "object", "embed", "form", "img", "base"} & {tag for tag, _ in found.found}
    for tag, attributes in found.found:
        assert "style" not in attributes, tag
        assert not [key for key in attributes if key.startswith("on") or key == "src"], tag
        assert attributes.get("href", "#").startswith(("#", "data:,")), tag
        assert "url(" not in attributes.get("clip-path", "url(#").removeprefix("url(#"), tag


def test_every_chart_says_what_it_shows_and_names_are_given_once(plain):
    found = Elements(plain)
    ids = [attributes["id"] for _, attributes in found.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = [attributes for attributes in found.all("svg") if attributes.get("role") == "img"]
    assert len(charts) == 1 + 4 + 1 + 2 + 2
    assert all(chart["aria-labelledby"] in ids for chart in charts)
    assert "Training with int8 rounding (QAT) starts at step 40." in found.text
    assert "from 60.0 % in layer 1, attention.query" in found.text


def test_hostile_texts_are_texts(build):
    scores = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    built = build()
    models = {
        name: {**m, "validation": {**m["validation"], "by_type": {HOSTILE: scores}}} for name, m in built.models.items()
    }
    source = {
        "name": HOSTILE,
        "request": HOSTILE,
        "licence": HOSTILE,
        "files": [{"path": HOSTILE, "size": 1, "sha256": HOSTILE}],
    }
    answers = [{"gold": [f"B-{HOSTILE}"], "teacher": ["O"], "student": [f"B-{HOSTILE}"]}]
    gates = [{"name": HOSTILE, "value": None, "limit": HOSTILE, "holds": False}]
    documents = {"models": models, "export": {**built.export, **models["student"]}, "gates": gates, "answers": answers}
    texts = {"project": HOSTILE, "start": HOSTILE, "words": [[HOSTILE]], "laid_over": [HOSTILE], "sources": [source]}
    text = page(build(**documents, **texts, masked={f"{HOSTILE}.weight": (1, 2)}))
    found = Elements(text)
    assert not {"script", "img"} & {tag for tag, _ in found.found}
    assert not [key for _, attributes in found.found for key in attributes if key.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") > 10


def test_gates_that_do_not_hold_are_told(build):
    gates = [
        {"name": "f1", "value": 0.5, "limit": ">= 0.6", "holds": False},
        {"name": "speedup", "value": None, "limit": ">= 2", "holds": False},
        {"name": "sparsity", "value": 0.8, "limit": ">= 0.8", "holds": True},
    ]
    text = Elements(page(build(gates=gates))).text
    assert "2 of 3 gates do not hold" in text
    assert "not measured" in text


def test_what_there_is_not_is_left_out(build):
    built = build()
    answers = [{"gold": ["O"], "student": ["O"]}]
    nothing = {"history": [], "masked": {}, "gates": [], "quantized_from": None}
    text = page(build(models={"student": built.models["student"]}, answers=answers, words=[["a"]], **nothing))
    shown = Elements(text).text
    for sentence in ("No weights were pruned.", "Training left no figures.", "sparse.toml asks for nothing in [gate]."):
        assert sentence in shown
    assert "Sentences" not in shown


def test_curves_show_whatever_losses_there_are_and_lines_may_lack_some(build):
    history = [
        {"epoch": 0.5, "step": 5, "loss": 1.0, "loss_teacher": 0.4, "learning_rate": 1e-3},
        {
            "epoch": 1.0,
            "step": 10,
            "loss": 0.5,
            "loss_teacher": 0.2,
            "learning_rate": 1e-4,
            "f1": 0.5,
            "eval_loss": 0.3,
        },
    ]
    text = page(build(history=history, quantized_from=0.5))
    assert "Loss over 10 steps: loss ends at 0.5; loss_teacher ends at 0.2; eval_loss ends at 0.3." in text
    assert "starts at step 5." in text


def test_two_processes_with_other_settings_write_the_same_bytes(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from conftest import build; from sparsebuild.pages.report import page\n"
        "sys.stdout.buffer.write(page(build()).encode())"
    )
    written = []
    for seed in ("1", "2"):
        home = tmp_path / seed
        home.mkdir()
        (home / "matplotlibrc").write_text(f"font.size: {seed}0\nlines.linewidth: {seed}\n")
        environment = {**os.environ, "PYTHONHASHSEED": seed, "MPLCONFIGDIR": str(home)}
        command = [sys.executable, "-c", code, str(Path(__file__).parent)]
        written.append(subprocess.run(command, env=environment, check=True, capture_output=True, cwd=home).stdout)
    assert written[0] == written[1]
    assert len(written[0]) > 50_000
