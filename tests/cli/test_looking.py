"""cli/graph.py, tree.py, metrics.py, log.py and diff.py, on a project whose steps are stand-ins."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from sparsebuild.cli.measured import figures
from sparsebuild.engine.action import File

TARGETS = ["fetch@data.train", "fetch@data.validation", "fetch@model", "prepare", "train", "eval", "export", "gate"]


def git(project, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=project, check=True, capture_output=True)


@pytest.fixture(scope="module")
def own_cache(own_cache, tmp_path_factory):
    """What a cache restores has no log: it must not know what other modules built, who may ask the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory, write_project, no_tensors, run_made_up):
    """A project that was built and committed."""
    folder = tmp_path_factory.mktemp("first") / "project"
    folder.mkdir()
    write_project(folder, no_tensors)
    (folder / ".gitignore").write_text("/build/\n")
    ran = run_made_up(folder)
    assert (ran.code, ran.err) == (0, "")
    if shutil.which("git"):
        for words in (["init"], ["add", "."], ["commit", "-m", "x"]):
            git(folder, *words)
    return folder


@pytest.fixture
def changed(built, edit, run_made_up):
    """The same, built again with another seed."""
    edit(built / "sparse.toml", "threads = 1", "threads = 1\nseed = 7")
    edit(built / "recipe.yaml", "final_sparsity: 0.5", "final_sparsity: 0.6")
    assert run_made_up(built).code == 0
    return built


needs_git = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


# ---- graph


def test_the_graph_tells_what_each_target_reads(first, sparsebuild):
    lines = sparsebuild("graph", "-C", first).out.splitlines()
    assert [line.split()[0] for line in lines] == [*TARGETS, "bench", "profile", "sensitivity", "report"]
    assert lines[4] == "train                  ← fetch@model, prepare (labels.json, tokenizer, train, validation)"


def test_the_graph_for_programs_that_draw(first, sparsebuild):
    assert sparsebuild("graph", "fetch@model", "--format", "dot", "-C", first).out == (
        'digraph {\n  node [shape=box];\n  "fetch@model";\n}\n'
    )
    mermaid = sparsebuild("graph", "prepare", "--format", "mermaid", "-C", first).out.splitlines()
    assert mermaid[:2] == ["flowchart TD", '  t0["fetch@data.train"]']
    assert mermaid[-1] == "  t1 --> t3"


def test_the_graph_for_programs_has_every_edge(first, sparsebuild):
    found = sparsebuild("graph", "--format", "json", "-C", first).json["targets"]
    targets = {target["name"]: target for target in found}
    assert targets["eval"]["reads"][0] == {"name": "model", "target": "train", "path": "model"}
    assert {read["target"] for target in targets.values() for read in target["reads"]} <= set(targets)


# ---- tree


def test_the_tree_tells_of_every_source_and_who_uses_it(first, sparsebuild):
    lines = sparsebuild("tree", "-C", first).out.splitlines()
    assert lines[:4] == [
        "data.train  file:data/train.jsonl",
        "├── 1 file, 2.0 kB",
        "│   └── train.jsonl  2.0 kB",
        "└── used by prepare",
    ]
    assert lines[-1].startswith("4 sources, 7 files, ")


def test_the_tree_for_programs_has_the_lock_with_uses_and_sizes(first, sparsebuild):
    sources = {source["name"]: source for source in sparsebuild("tree", "--json", "-C", first).json["sources"]}
    assert sources["model"]["used_by"] == ["prepare", "train", "profile"]
    assert sources["recipe"]["used_by"] == ["train", "profile", "report"]
    assert sources["model"]["bytes"] == sum(file["size"] for file in sources["model"]["files"])
    assert len(sources["model"]["files"][0]["sha256"]) == 64


def test_a_split_that_a_dataset_does_not_have_is_used_by_nothing(first):
    from sparsebuild.cli.project import graph, open_project
    from sparsebuild.cli.tree import _uses

    opened = open_project(first)
    absent = replace(opened.lock.source("data.train"), name="data.test", files=())
    assert _uses(absent, opened.lock, graph(opened)) == ()


# ---- metrics


def test_the_history_of_a_long_training_is_not_too_large():
    file = File(path="metrics.jsonl", sha256="0" * 64, size=5_000_000)
    assert figures([file], lambda _: b'{"epoch": 1}\n{"epoch": 2, "f1": 0.5}\n') == {"epoch": 2, "f1": 0.5}


def test_metrics_are_the_figures_of_each_target(first, sparsebuild):
    targets = {target["name"]: target for target in sparsebuild("metrics", "--json", "-C", first).json["targets"]}
    assert list(targets) == TARGETS
    assert targets["train"]["figures"] == {"epoch": 2, "f1": 0.042}
    assert targets["gate"]["figures"] == {"gates.f1.value": 0.5}
    assert targets["prepare"]["figures"] == {}
    assert {target["up_to_date"] for target in targets.values()} == {True}


def test_metrics_of_one_target_say_when_they_are_not_of_now(built, sparsebuild, edit):
    edit(built / "sparse.toml", "threads = 1", "threads = 2")
    rows = [line.split() for line in sparsebuild("metrics", "eval", "-C", built).out.splitlines()]
    assert rows[2][:9] == ["eval", "1", "file,", "took", "0.0", "s,", "not", "up", "to"]
    assert rows[3] == ["models.student.sparsity", "50.0", "%"]


def test_metrics_of_nothing_are_no_error(project, sparsebuild):
    ran = sparsebuild("metrics", cwd=project)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"not built, or not as it was built: {', '.join(TARGETS)}\n"


# ---- log


def test_the_log_is_what_the_last_try_said(first, sparsebuild):
    assert sparsebuild("log", "prepare", "-C", first).out == "3 sentences are longer than 32 pieces\n"
    assert sparsebuild("log", "prepare", "-n", "0", "-C", first).out == ""
    path = sparsebuild("log", "prepare", "--path", "-C", first).out.strip()
    assert Path(path).read_text() == "3 sentences are longer than 32 pieces\n"


def test_the_log_of_a_failed_try_holds_its_error_even_when_the_manifest_is_broken(built, sparsebuild, run_made_up):
    assert run_made_up(built, "--set", "train.seed=13").code == 1
    (built / "sparse.toml").write_text("[")
    assert sparsebuild("log", "train", "-C", built).out.splitlines()[-1] == "error: the loss is not finite"


def test_the_log_is_harmless_to_a_terminal_and_shows_the_last_state_of_a_bar(built, sparsebuild):
    log = built / ".sparsebuild" / "logs" / "train.log"
    log.write_bytes(b"10 %\r50 %\r100 %\r\n\x1b[2Jend\xff\n")
    assert sparsebuild("log", "train", "-C", built, "--json").json["targets"] == [
        {"name": "train", "path": ".sparsebuild/logs/train.log", "lines": ["100 %", "end\ufffd"]}
    ]


def test_a_log_that_is_not_there_says_which_are(first, sparsebuild):
    ran = sparsebuild("log", "tarin", "-C", first)
    assert (ran.code, ran.err) == (2, "error: there is no log of `tarin`\n\nhint: did you mean `train`?\n")


def test_looking_commands_know_what_a_plus_means(first, sparsebuild):
    reached = ["train", "eval", "export", "gate"]
    for command in ("why", "metrics", "log"):
        told = sparsebuild(command, "train+", "--json", "-C", first).json["targets"]
        assert [target["name"] for target in told] == reached
    told = sparsebuild("run", "-n", "-f", "train+", "--json", "-C", first).json["targets"]
    assert [target["name"] for target in told if target["verdict"] == "stale"] == reached


# ---- status


def test_what_was_built_on_demand_is_shown_and_leaves_the_project_up_to_date(built, sparsebuild, run_made_up):
    manifest = built / "sparse.toml"
    manifest.write_text(manifest.read_text() + "[sensitivity]\nprune = 0.3\n")
    assert run_made_up(built, "sensitivity").code == 0
    manifest.write_text(manifest.read_text().replace("prune = 0.3", "prune = 0.4"))
    ran = sparsebuild("status", "--exit-code", "--json", "-C", built)
    assert (ran.code, ran.json["on_demand"]) == (0, ["sensitivity"])
    assert {target["name"]: target["verdict"] for target in ran.json["targets"]}["sensitivity"] == "stale"
    out = sparsebuild("status", "-C", built).out
    assert "`sparsebuild run sensitivity` builds it" in out
    assert "8 of 8 targets up to date\n" in out


# ---- diff


@needs_git
def test_diff_finds_nothing_where_nothing_changed(built, sparsebuild):
    assert sparsebuild("diff", "-C", built).out.splitlines()[1:] == ["no difference"]


@needs_git
def test_diff_does_not_take_the_record_for_what_is_gone(built, sparsebuild):
    shutil.rmtree(built / "build" / "train")
    out = sparsebuild("diff", "-C", built).out
    assert "not known of this project: train\n" in out


@needs_git
def test_diff_holds_this_build_against_the_one_of_a_commit(changed, sparsebuild):
    found = sparsebuild("diff", "--json", "-C", changed).json
    assert found["settings"] == [{"subject": "train.seed", "old": 42, "new": 7, "where": "sparse.toml:20"}]
    assert [(c["subject"], c["old"], c["new"]) for c in found["recipe"]] == [
        ("GlobalMagnitudePruningModifier.final_sparsity", 0.5, 0.6)
    ]
    assert [difference["source"] for difference in found["lock"]] == ["recipe"]
    states = {target["name"]: target["state"] for target in found["targets"]}
    assert (states["prepare"], states["train"]) == ("same", "changed")
    train = next(target for target in found["targets"] if target["name"] == "train")
    assert (train["old"]["figures"]["f1"], train["new"]["figures"]["f1"]) == (0.042, 0.007)
    rows = [line.split() for line in sparsebuild("diff", "-C", changed).out.splitlines()]
    assert ["train", "f1", "0.042", "→", "0.007", "-0.035"] in rows


@needs_git
def test_diff_says_what_is_not_known_of_a_commit(changed, sparsebuild, tmp_path):
    """With another cache, nobody knows what the commit left; its documents are still compared."""
    ran = sparsebuild("diff", "-C", changed, SPARSEBUILD_CACHE_DIR=tmp_path / "empty")
    assert ran.code == 0
    assert "train.seed" in ran.out
    assert ran.out.splitlines()[-1].endswith(f": {', '.join(TARGETS)}")


@needs_git
def test_diff_reads_a_recipe_that_the_cache_lost_as_it_was_committed(changed, sparsebuild, tmp_path):
    found = sparsebuild("diff", "--json", "-C", changed, SPARSEBUILD_CACHE_DIR=str(tmp_path / "empty")).json
    assert [change["old"] for change in found["recipe"]] == [0.5]
    assert found["notes"] == []


@needs_git
def test_diff_with_a_commit_that_has_no_lock_says_so(built, sparsebuild):
    git(built, "rm", "--cached", "sparse.lock")
    git(built, "commit", "-m", "no lock")
    ran = sparsebuild("diff", "-C", built)
    assert (ran.code, "note: HEAD has no sparse.lock, so its build cannot be looked up" in ran.out) == (0, True)


def test_diff_with_another_folder(first, changed, sparsebuild):
    found = sparsebuild("diff", first, "--json", "-C", changed).json
    assert (found["old"], found["new"]) == (str(first), "this project")
    assert [change["subject"] for change in found["settings"]] == ["train.seed"]


@needs_git
def test_diff_shows_what_would_be_built_where_it_is_not_built_yet(built, sparsebuild, edit):
    edit(built / "sparse.toml", "threads = 1", "threads = 2")
    out = sparsebuild("diff", "-C", built).out
    assert "  train.threads  1 → 2  sparse.toml:19\n" in out
    assert out.splitlines()[-1] == "not up to date in this project: train, eval, export, gate"


@needs_git
def test_looking_writes_nothing(changed, sparsebuild):
    before = {path: path.stat().st_mtime_ns for path in changed.rglob("*") if ".git" not in path.parts}
    for words in (["graph"], ["tree"], ["metrics"], ["log", "train"], ["diff"]):
        assert sparsebuild(*words, "-C", changed).code == 0
    assert {path: path.stat().st_mtime_ns for path in changed.rglob("*") if ".git" not in path.parts} == before
