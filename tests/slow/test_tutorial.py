"""SparseML's tutorial as its template has it: models and recipe from a zoo, rows from a Hub, then with both gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import tutorial

pytestmark = pytest.mark.slow

WNUT_TAGS = tutorial.tags(tutorial.WNUT)

# Enough to train, prune and quantize; far too little to learn anything.
SETTINGS = {
    "data.max_train_samples": 32,
    "data.max_eval_samples": 32,
    "recipe.args.num_epochs": 2,
    "recipe.args.qat_start_epoch": 1,
    "recipe.args.observer_epoch": 1.5,
}
QUICK = [f"--set={key}={value}" for key, value in SETTINGS.items()]


@pytest.fixture(scope="module")
def sparsebuild(tmp_path_factory):
    """Runs the command in a project made from the template; only one test can be had from one pair of servers."""
    folder = tmp_path_factory.mktemp("tutorial")
    environment = {"SPARSEBUILD_CACHE_DIR": str(folder / "cache")}

    def run(*words, **more):
        return subprocess.run(
            [sys.executable, "-m", "sparsebuild", *words],
            capture_output=True, text=True, cwd=run.project, env={**os.environ, **environment, **more},
        )  # fmt: skip

    run.project = folder
    assert run("init", "ner", "--template", "token-classification").returncode == 0
    run.project = folder / "ner"
    try:
        with tutorial.serving(folder / "servers", most=64) as (*_, serving):
            environment |= serving
            yield run
    except subprocess.CalledProcessError:
        pytest.skip(f"{tutorial.MINILM} cannot be downloaded")


def trust(project):
    """Do what the refusal said."""
    manifest = project / "sparse.toml"
    lines = manifest.read_text().splitlines()
    for number, line in enumerate(lines):
        if '= "zoo:' in line and "pruned90_quant" not in line and not line.startswith("#"):
            lines[number] += '\ntrust = "pickle"'
    manifest.write_text("\n".join(lines) + "\n")


def test_the_tutorial_runs_against_servers_and_again_without_them(sparsebuild, tmp_path):
    refused = sparsebuild("run", *QUICK)
    assert (refused.returncode, 'write `trust = "pickle"` beside this source' in refused.stderr) == (4, True)
    trust(sparsebuild.project)

    built = sparsebuild("run", "eval", *QUICK, "--json")
    assert built.returncode == 0, built.stderr
    assert set(json.loads(built.stdout)["outcomes"].values()) == {"built"}
    found = json.loads((sparsebuild.project / "build/eval/metrics.json").read_text())["models"]
    assert found["student"]["sparsity"] >= 0.89
    assert found["teacher"]["validation"]["f1"] > 0.2  # its labels stand in another order than the dataset's
    assert json.loads((sparsebuild.project / ".sparsebuild/prepare/labels.json").read_text()) == tutorial.tags(
        tutorial.CONLL
    )

    for split in ("train", "validation"):
        rows = tutorial.rows(split, tutorial.WNUT, 64)
        named = [{"tokens": r["tokens"], "named_ner_tags": [WNUT_TAGS[n] for n in r["ner_tags"]]} for r in rows]
        lines = "".join(json.dumps(row) + "\n" for row in named)
        (sparsebuild.project / f"wnut_17-{split}.json").write_text(lines)
    hub, local = (sparsebuild("run", "prepare", "--json", *QUICK, "--profile", name) for name in ("wnut17", "local"))
    assert (hub.returncode, local.returncode) == (0, 0), hub.stderr + local.stderr
    assert sparsebuild("fetch", "--profile", "own-teacher").returncode == 0

    gone = {"HF_ENDPOINT": "http://127.0.0.1:9", "SPARSEZOO_API_URL": "http://127.0.0.1:9"}
    assert sparsebuild("clean", **gone).returncode == 0
    again = sparsebuild("run", "eval", "--offline", "--force", "prepare", "--json", *QUICK, **gone)
    assert again.returncode == 0, again.stderr
    assert set(json.loads(again.stdout)["outcomes"].values()) == {"restored", "built"}
    assert sparsebuild("fetch", "--offline", "--profile", "own-teacher", **gone).returncode == 0

    empty = {"SPARSEBUILD_CACHE_DIR": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "huggingface")}
    cold = sparsebuild("fetch", "--offline", **gone, **empty)
    told = [line.split("`")[1] for line in cold.stderr.splitlines() if line.startswith("error: ")]
    assert (cold.returncode, told) == (4, ["data.train", "data.validation", "model", "teacher", "recipe"])
    assert "pytorch_model.bin (91.0 MB)" in cold.stderr
