"""cli/run.py, on a random model: from a file of text to a model that can be tried."""

import gzip
import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory, write_project, put_weights, process):
    """A project, and what its first run said."""
    folder = tmp_path_factory.mktemp("tiny")
    write_project(folder)
    put_weights(folder / "model")
    manifest = folder / "sparse.toml"  # asks what no other project does, so that nothing is in the cache
    manifest.write_text(manifest.read_text().replace("learning_rate = 1e-3", "learning_rate = 1.1e-3"))
    return folder, process("-C", folder, "run", "--show", "jsonl")


def test_a_run_leaves_a_checked_model_and_tells_the_figures(built):
    folder, ran = built
    assert ran.code == 0
    assert (folder / "build" / "export" / "deployment" / "model.onnx").is_file()
    lines = ran.out.splitlines()
    assert [line.split() for line in lines if "int8" in line] == [["student", "int8"]]
    assert any("F1, validation" in line for line in lines)
    assert f"{folder}/build/export/deployment/model.onnx" in ran.out
    assert f"sparsebuild -C {folder} try" in ran.out


def test_the_events_are_lines_of_json_on_stderr(built):
    events = [json.loads(line) for line in built[1].err.splitlines()]
    assert events[-1]["event"] == "RunFinished"
    assert set(events[-1]["outcomes"].values()) <= {"built", "restored"}
    assert {"RunStarted", "TargetDecided", "TargetStarted", "Progress", "Metric"} <= {
        event["event"] for event in events
    }


def stats(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "lock.holder")  # who holds the lock
    return {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in files}


def test_a_second_run_has_nothing_to_do_touches_nothing_and_imports_nothing_heavy(built, sparsebuild):
    assert sparsebuild("-C", built[0], "run").code == 0  # it may hash again what was young in the first
    before = stats(built[0])
    code = (
        "import sys; from sparsebuild.cli.main import run_command; code = run_command(sys.argv[1:])\n"
        "heavy = {'torch', 'transformers', 'onnx', 'onnxruntime', 'accelerate', 'pydantic', 'numpy'}\n"
        "heavy |= {'filelock', 'logging', 'random', 'rich.console', 'socket', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "sys.exit(code)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "-C", built[0], "run"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr.startswith("nothing to do: 8 targets up to date")
    assert stats(built[0]) == before


def test_status_shows_the_figures_again(built, sparsebuild):
    ran = sparsebuild("-C", built[0], "status", "--exit-code", "--json")
    assert ran.code == 0
    assert set(ran.json["results"]) == {"metrics", "export", "gate"}
    assert "8 of 8 targets up to date" in sparsebuild("-C", built[0], "status").out


def test_built_again_beside_the_same_bytes_come_out(built, sparsebuild):
    ran = sparsebuild("-C", built[0], "verify", "--rebuild", "prepare", "train", "export", "gate")
    assert ran.code == 0
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["prepare", "train", "export", "gate"]
    assert ran.out.count("the same bytes") == 4


def test_a_text_can_be_tried(built, sparsebuild):
    ran = sparsebuild("-C", built[0], "try", "ada wrote", "grace sang", "--json")
    assert [text["words"] for text in ran.json["texts"]] == [["ada", "wrote"], ["grace", "sang"]]
    marked = sparsebuild("-C", built[0], "try", "ada wrote").out
    assert marked.replace("[person ", "").replace("]", "") == "ada wrote\n"  # so small a model may find anything
    assert marked.count("[person ") == len(ran.json["texts"][0]["entities"])


def test_a_gate_that_does_not_hold_is_1_and_leaves_what_was_promoted(built, tmp_path, sparsebuild, edit):
    folder = shutil.copytree(built[0], tmp_path / "tiny")
    before = outputs(folder)
    edit(folder / "sparse.toml", ">= 0.49", ">= 0.99")
    assert sparsebuild("-C", folder, "why", "gate").out.splitlines()[1:] == [
        '  `gates.sparsity` changed: ">= 0.49" → ">= 0.99" (sparse.toml:22)'
    ]
    ran = sparsebuild("-C", folder, "run")
    assert (ran.code, ran.out) == (1, "")
    assert "1 of 1 gates do not hold" in ran.err
    assert outputs(folder) == before
    edit(folder / "sparse.toml", ">= 0.99", ">= 0.49")
    assert sparsebuild("-C", folder, "run", "--json").json["outcomes"]["train"] == "fresh"


def outputs(folder):
    return {path: path.read_bytes() for path in (folder / "build").rglob("*") if path.is_file()}


def test_why_names_the_line_or_the_word_that_changed_it(built, tmp_path, sparsebuild):
    folder = shutil.copytree(built[0], tmp_path / "tiny")
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("final_sparsity: 0.5", "final_sparsity: 0.6"))
    assert sparsebuild("-C", folder, "why", "train", "--set", "train.seed=3").out.splitlines()[1:] == [
        "  `recipe.modifiers.GlobalMagnitudePruningModifier[0].final_sparsity` changed: 0.5 → 0.6 (recipe.yaml:11)",
        "  `seed` changed: 42 (default) → 3 (--set train.seed=3)",
    ]


def test_the_estimate_of_a_run_goes_by_the_last_one(built, sparsebuild):
    told = sparsebuild("-C", built[0], "status", "--json", "--set", "train.seed=3").json
    seconds = {target["name"]: target["seconds"] for target in told["targets"]}
    assert told["estimate"]["seconds"] == seconds["train"] + seconds["gate"] > 0  # whose card tells the seed
    assert told["estimate"]["at_most"] == sum(seconds[name] for name in ("train", "eval", "export", "gate"))
    assert told["estimate"]["unknown"] == []


def test_a_summary_for_programs(built, sparsebuild):
    ran = sparsebuild("-C", built[0], "run", "--json", "--quiet")
    assert list(ran.json) == ["schema_version", "project", "outcomes", "results"]
    assert (set(ran.json["outcomes"].values()), ran.err) == ({"fresh"}, "")


def test_packed_columns_by_a_pattern_with_some_set_aside(project, sparsebuild):
    for number in range(3):
        text = "\n".join(f"ada NNP B-person\n{verb} VBD O\n" for verb in ("wrote", "went", "spoke", "sang"))
        (project / f"data/{number}.conll.gz").write_bytes(gzip.compress(text.encode()))
    manifest = project / "sparse.toml"
    text = manifest.read_text().replace("data/train.jsonl", "data/*.conll.gz")
    manifest.write_text(text.replace('validation = "data/validation.jsonl"', "validation_fraction = 0.4"))
    ran = sparsebuild("run", "prepare", cwd=project)
    assert ran.code == 0, ran.err
    report = json.loads((project / ".sparsebuild/prepare/report.json").read_text())
    assert sum(split["sentences"] for split in report.values()) == 12
    assert f"prepare: validation: {report['validation']['sentences']} of 12 sentences set aside" in ran.err
