"""Variants of a random model, really trained, cut, exported, timed and drawn."""

import json
import re

import pytest

pytestmark = pytest.mark.slow

RECIPE = """\
neurons: 32
layers: 3
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 3.0}
structured_modifiers:
  - !StructuredPruningModifier {start_epoch: 0.5, end_epoch: 0.5, targets: {ffn: eval(neurons), layers: eval(layers)}}
distillation_modifiers:
  - !DistillationModifier {hardness: 0.5, hidden_states: 0.3}
quantization_modifiers:
  - !QuantizationModifier {start_epoch: 1.5, submodules: [bert.encoder, classifier]}
"""
TEACHER = """\
[model]
source = "target:teacher"

[teacher]
source = "target:teacher"

[teacher.train]
from = "model"
num_train_epochs = 2
learning_rate = 1e-3
threads = 1
"""
MORE = """
[bench]
runtimes = ["onnxruntime"]
shapes = ["1x16"]
seconds = 0.05

[variant.narrow]
recipe.args = { neurons = 16 }

[variant.short]
recipe.args = { layers = 2 }
export.scheme = "fp32"
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory, write_project, put_weights, sparsebuild):
    """A project of three models with its report."""
    folder = tmp_path_factory.mktemp("varied")
    write_project(folder)
    config = json.loads((folder / "model" / "config.json").read_text())
    (folder / "model" / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3, "hidden_size": 32}))
    put_weights(folder / "model")
    text = (folder / "sparse.toml").read_text().replace('[model]\nsource = "model"\n', TEACHER)
    (folder / "sparse.toml").write_text(text.replace('sparsity = ">= 0.49"', 'agreement = ">= 0.9"') + MORE)
    (folder / "recipe.yaml").write_text(RECIPE)
    ran = sparsebuild("run", "report", "gate", "gate@*", cwd=folder)
    assert ran.code == 0, ran.err
    return folder


def test_each_is_what_it_says_and_the_teacher_is_asked_once(built):
    left = {
        name: [one["neurons"] for one in json.loads(file.read_text())["layers"].values()]
        for name in ("narrow", "short")
        for file in [built / f"build/variants/{name}/train/model/structure.json"]
    }
    assert left == {"narrow": [16] * 3, "short": [32] * 2}
    assert "layers" not in json.loads((built / "build/train/model/structure.json").read_text())
    schemes = {
        name: json.loads((built / f"build/variants/{name}/export/export.json").read_text())["scheme"]
        for name in ("narrow", "short")
    }
    assert schemes == {"narrow": "portable", "short": "fp32"}
    assert not (built / ".sparsebuild/teach@narrow").exists()


def test_all_files_are_timed_in_one_run_beside_the_dense_one(built):
    found = json.loads((built / "build/compare/bench.json").read_text())
    names = ["(no variant)", "narrow", "short", "dense fp32", "dynamic int8"]
    assert [file["name"] for file in found["files"]] == names
    assert {(t["model"], t["shape"]) for t in found["timings"]} == {
        (n, s) for n in names for s in ("1x16", "sentences")
    }
    sizes = {file["name"]: file["bytes"] for file in found["files"]}
    assert sizes["narrow"] < sizes["(no variant)"]
    assert sizes["short"] < sizes["dense fp32"]


def test_the_page_draws_them_and_is_the_same_bytes_again(built, sparsebuild):
    text = (built / "build/report/index.html").read_text()
    said = dict(re.findall(r'<title id="((?:variants|shape)-[\w-]+)-title">(.*?)</title>', text))
    assert re.search(r"narrow 0\.\d{4} at .*; short .*; dense fp32 ", said["variants-time"].replace("1.0000", "0.9999"))
    narrow = next(words for words in said.values() if "of narrow had" in words)
    assert "layer 1 has 2 and 16, layer 2 has 2 and 16, layer 3 has 2 and 16." in narrow
    assert next(words for words in said.values() if "of short had" in words).endswith("; 1 layer is gone.")
    assert "the same bytes" in sparsebuild("verify", "--rebuild", "report", cwd=built).out


def test_one_is_published_and_tried_by_name(built, tmp_path, sparsebuild):
    published = sparsebuild("publish", f"dir:{tmp_path / 'out'}", "--variant", "narrow", cwd=built)
    assert published.code == 0, published.err
    assert sparsebuild("attest", "check", tmp_path / "out").code == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n# tiny@narrow\n" in card
    assert "`sparsebuild run --locked gate@narrow` builds it again" in card
    tried = sparsebuild("try", "--variant", "short", "--compare", "ada wrote", cwd=built)
    assert tried.out.endswith("of 1 sentence\n")
