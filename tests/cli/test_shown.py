"""`run bench`, `run report`, `sensitivity` and `try` on a random model, as a user runs them."""

import json
import subprocess
import sys

import pytest

from sparsebuild import modifiers
from sparsebuild import recipe as recipes

pytestmark = pytest.mark.slow

TABLES = """
speedup = ">= 0.0001"
latency_ms = "<= 60000"

[bench]
runtimes = ["onnxruntime", "openvino"]
python = { openvino = "no/such/python" }
shapes = ["1x8", "2x16"]
seconds = 0.001

[sensitivity]
sentences = 4
leave_out = 1
"""

NOWHERE = {"SPARSEBUILD_PYTHON_OPENVINO": ""}  # of whoever runs the tests


@pytest.fixture(scope="module")
def project(tmp_path_factory, write_project, put_weights, sparsebuild):
    """A project whose gate asks for speed, built."""
    folder = tmp_path_factory.mktemp("tiny")
    write_project(folder)
    manifest = folder / "sparse.toml"
    manifest.write_text(manifest.read_text() + TABLES)
    put_weights(folder / "model")
    ran = sparsebuild("-C", folder, "run", "--json", **NOWHERE)
    assert ran.code == 0, ran.err
    return folder, ran


def test_a_gate_on_speed_has_it_measured_and_holds_it(project):
    folder, ran = project
    assert list(ran.json["outcomes"])[-2:] == ["bench", "gate"]
    assert "report" not in ran.json["outcomes"]
    gates = {gate["name"]: gate for gate in json.loads((folder / "build/export/gate.json").read_text())["gates"]}
    headline = json.loads((folder / "build/bench/bench.json").read_text())["headline"]
    assert (headline["runtime"], headline["shape"]) == ("onnxruntime", "1x8")
    assert {name: gates[name]["value"] for name in ("speedup", "latency_ms")} == {
        name: headline[name] for name in ("speedup", "latency_ms")
    }


def test_every_file_is_timed_at_every_shape_and_what_is_not_here_is_named(project, sparsebuild):
    ran = sparsebuild("-C", project[0], "run", "bench", "--json")
    bench = ran.json["results"]["bench"]
    assert ran.json["outcomes"]["bench"] == "fresh"
    files = ["export", "zeros filled", "dense fp32", "sparse fp32", "dynamic int8"]
    assert [file["name"] for file in bench["files"]] == files
    assert {(t["shape"], t["model"]) for t in bench["timings"]} == {
        (shape, name) for shape in ("1x8", "2x16", "sentences") for name in files
    }
    assert bench["runtimes"]["openvino"] == {"missing": "its interpreter cannot be started: No such file or directory"}
    assert [one["zeros"] >= 0.4 for one in bench["files"]] == [True, False, False, True, False]
    assert all(0 < timing["median_ms"] <= timing["p95_ms"] for timing in bench["timings"])
    assert bench["said"][-2].startswith("Everywhere they buy bytes once the file is compressed: ")
    assert bench["said"][-1].startswith("openvino is not measured, since it is not here: its interpreter")
    assert str(project[0]) not in json.dumps(bench)


def test_a_shape_that_the_model_cannot_read_is_an_error(project, sparsebuild):
    ran = sparsebuild("-C", project[0], "run", "bench", "--set", 'bench.shapes=["1x64"]')
    assert ran.code == 2
    assert "`bench.shapes` has 1x64, but the model reads at most 32 pieces" in ran.err


def test_where_nothing_can_run_it_is_an_error_that_says_why(project, sparsebuild):
    ran = sparsebuild("-C", project[0], "run", "bench", "--set", 'bench.runtimes=["openvino"]', **NOWHERE)
    assert ran.code == 1
    assert "none of the runtimes of `bench.runtimes` could run the file:\n  openvino is not measured, since" in ran.err


def test_the_report_is_one_page_and_the_same_bytes_again(project, sparsebuild):
    ran = sparsebuild("-C", project[0], "run", "report")
    assert ran.code == 0
    assert f"{project[0]}/build/report/index.html" in ran.out
    assert [path.name for path in (project[0] / "build/report").iterdir()] == ["index.html"]
    text = (project[0] / "build/report/index.html").read_text()
    assert "All 3 gates hold" in text
    assert str(project[0]) not in text
    assert "the same bytes" in sparsebuild("-C", project[0], "verify", "--rebuild", "report").out


def test_there_is_a_report_where_a_gate_does_not_hold(project, sparsebuild):
    words = ("-C", project[0], "--set", "gate.sparsity=>= 0.99")
    assert sparsebuild("run", *words).code == 1
    assert sparsebuild("run", "report", *words).code == 0
    text = (project[0] / "build/report/index.html").read_text()
    assert "1 of 3 gates does not hold" in text
    assert "--set &#39;gate.sparsity=&gt;= 0.99&#39;" in text


def test_what_was_built_on_demand_is_looked_at_from_then_on(project, sparsebuild):
    targets = [target["name"] for target in sparsebuild("-C", project[0], "status", "--json").json["targets"]]
    assert {"bench", "report"} <= set(targets)
    assert "bench" in {one["name"] for one in sparsebuild("-C", project[0], "metrics", "--json").json["targets"]}
    assert sparsebuild("-C", project[0], "verify").code == 0


def test_layers_are_ranked_and_the_lines_leave_the_worst_out(project, sparsebuild):
    ran = sparsebuild("-C", project[0], "sensitivity", "--json", "--quiet")
    assert ran.code == 0, ran.err
    found = ran.json
    names = [one["name"] for one in found["layers"]]
    assert len(names) == 3 + 2 * 6  # tables of embeddings, and Linears
    assert sum("prune" in one for one in found["layers"]) == 12
    worst = {
        way: max((one for one in found["layers"] if "prune" in one), key=lambda one: one[way]["shift"])["name"]
        for way in ("prune", "quantize")
    }
    lines = {way: "\n".join(f"      {line}" for line in found["recipe"][way]) for way in worst}
    text = f"""\
pruning_modifiers:
  - !ConstantPruningModifier
      start_epoch: 0.0
{lines["prune"]}
quantization_modifiers:
  - !QuantizationModifier
      start_epoch: 0.0
{lines["quantize"]}
"""
    pruning, quantization = modifiers.specs(recipes.resolve(recipes.read(text, "recipe.yaml"), {}))
    from sparsebuild.modifiers.parameters import select
    from sparsebuild.training.models import open_float_model
    from sparsebuild.training.quantization import QuantizedLinear, quantize

    model = open_float_model(project[0] / "build/train/model")
    linears = [one["name"] for one in found["layers"] if "prune" in one]
    assert select(model, pruning.params, "t") == [f"{n}.weight" for n in linears if n != worst["prune"]]
    quantize(model, submodules=quantization.submodules)
    quantized = {name for name, module in model.named_modules() if isinstance(module, QuantizedLinear)}
    assert quantized == {name for name in linears if name != worst["quantize"]} | {"classifier"}


def test_the_ranking_is_shown_with_its_plot(project, sparsebuild):
    told = sparsebuild("-C", project[0], "sensitivity", "--quiet").out
    assert "pruned, 50.0 % of what is left" in told
    assert told.endswith("build/sensitivity/quantize.svg\n")
    for way in ("prune", "quantize"):
        assert (project[0] / f"build/sensitivity/{way}.svg").read_text().startswith("<svg xmlns=")


def test_sentences_come_from_a_file_or_stdin(project, tmp_path):
    (tmp_path / "texts").write_text("\ufeffada wrote\r\n\n  \ngrace sang\n", encoding="utf-8")
    base = [sys.executable, "-m", "sparsebuild", "-C", str(project[0]), "try", "--json"]
    for words, given in ((["--file", str(tmp_path / "texts")], b""), ([], (tmp_path / "texts").read_bytes())):
        ran = subprocess.run([*base, *words], input=given, capture_output=True, check=True)
        assert [text["text"] for text in json.loads(ran.stdout)["texts"]] == ["ada wrote", "grace sang"]


def test_a_comparison_needs_a_teacher(project, sparsebuild):
    ran = sparsebuild("-C", project[0], "try", "--compare", "ada")
    assert (ran.code, ran.err) == (
        2,
        "error: this project has no teacher to compare with\n\nhint: sparse.toml names one under `[teacher]`\n",
    )
