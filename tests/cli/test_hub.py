"""A project whose model, rows and recipe are all at a Hub, through the real command."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub
import hubs

LABELS = ["O", "B-person", "I-person"]


@pytest.fixture
def server(tmp_path, monkeypatch):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path / "cache"))
        yield server


@pytest.fixture
def project(tmp_path, server, write_project):
    """The tiny project with everything moved to the server; its model is a pickle of random weights."""
    local = tmp_path / "local"
    local.mkdir()
    write_project(local)
    model = {path.name: path.read_bytes() for path in (local / "model").iterdir()}
    server.push("model", "org/bert", {**model, "pytorch_model.bin": random_weights(local / "model")})
    server.push("model", "org/recipes", {"recipe.yaml": (local / "recipe.yaml").read_bytes()})
    rows = {split: as_numbers(local / f"data/{split}.jsonl") for split in ("train", "validation")}
    files = {f"data/{split}-00000-of-00001.parquet": hubs.parquet(rows[split], LABELS) for split in rows}
    server.push("dataset", "org/people", {"README.md": b"---\nlicense: mit\n---\n", **files})
    text = (local / "sparse.toml").read_text()
    text = text.replace('source = "model"', 'source = "hf:org/bert"\ntrust = "pickle"')
    text = text.replace('train = "data/train.jsonl"\nvalidation = "data/validation.jsonl"', 'source = "hf:org/people"')
    text = text.replace('source = "recipe.yaml"', 'source = "hf:org/recipes#recipe.yaml"')
    project = tmp_path / "project"
    project.mkdir()
    (project / "sparse.toml").write_text(text)
    return project


def random_weights(folder):
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    torch.save(model.state_dict(), folder / "weights")
    return (folder / "weights").read_bytes()


def encoder_weights():
    """A file of one tensor of an encoder."""
    name = b"encoder.layer.0.output.dense.weight"
    text = b'{"' + name + b'": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}'
    return len(text).to_bytes(8, "little") + text + bytes(4)


def as_numbers(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{**row, "ner_tags": [LABELS.index(tag) for tag in row["ner_tags"]]} for row in rows]


def test_a_model_is_built_from_a_hub_and_again_from_what_is_here(project, server, sparsebuild, process):
    built = process("run", cwd=project)
    assert built.code == 0, built.err
    warnings = [line for line in built.err.splitlines() if "warning" in line.lower()]
    assert [line.split(":")[:3] for line in warnings] == [  # of the rows, and none of a library's
        ["prepare", " warning", " validation"],
        ["prepare", " warning", " train"],
    ]
    assert json.loads((project / ".sparsebuild/prepare/labels.json").read_text()) == LABELS
    lock = (project / "sparse.lock").read_text()
    assert 'trust = "pickle"' in lock
    assert 'licence = "mit"' in lock
    assert 'request = "hf:org/people?split=test"\nfiles = [\n]' in lock
    before = len(server.asked)
    assert process("run", cwd=project, HF_HUB_OFFLINE="1").code == 0
    assert sparsebuild("lock", "--check", cwd=project).code == 0
    assert len(server.asked) == before


def test_a_misspelt_name_is_told_once_the_header_is_here_and_before_any_work(project, server, sparsebuild, tmp_path):
    local = tmp_path / "local"
    recipe = (local / "recipe.yaml").read_bytes().replace(b"__ALL_PRUNABLE__", b"['re:bert.encodr.*']")
    server.push("model", "org/recipes", {"recipe.yaml": recipe})
    config = (local / "model" / "config.json").read_bytes()
    server.push("model", "org/bert", {"config.json": config, "model.safetensors": encoder_weights()})
    ran = sparsebuild("run", cwd=project)
    assert ran.code == 2
    assert "`re:bert.encodr.*` means no parameter of the model" in ran.err
    assert (project / "sparse.lock").exists()
    assert not (project / "build").exists()
    assert not (project / ".sparsebuild" / "prepare").exists()


def test_a_branch_that_moved_changes_nothing_until_it_is_asked_for(project, server, sparsebuild):
    assert sparsebuild("lock", cwd=project).code == 0
    lock = (project / "sparse.lock").read_text()
    old = server.repos["model", "org/recipes"].refs["main"]
    recipe = server.repos["model", "org/recipes"].commits[old]["recipe.yaml"]
    new = server.push("model", "org/recipes", {"recipe.yaml": recipe.replace(b"end_epoch: 2.0", b"end_epoch: 3.0")})
    assert sparsebuild("lock", cwd=project).code == sparsebuild("lock", "--check", cwd=project).code == 0
    assert (project / "sparse.lock").read_text() == lock
    upgraded = sparsebuild("lock", "--upgrade", cwd=project)
    assert f"recipe: commit {old} -> {new}" in upgraded.err
    assert (project / "sparse.lock").read_text() != lock


def failure(ran):
    """The exit code, and the line that says what is wrong."""
    return ran.code, next(line for line in ran.err.splitlines() if "error" in line)


def test_faults_have_one_line_and_their_exit_code(project, server, sparsebuild, process):
    host, port = "127.0.0.1", server.port
    dead = process("lock", cwd=project, HF_ENDPOINT="http://127.0.0.1:9")
    assert failure(dead) == (
        4,
        f"error: `model.source`: the Hub at {host}:9 cannot be reached: [Errno 111] Connection refused",
    )
    server.faults += [("/api/models/org/bert", hub.status(429, {"Retry-After": "999"}))]
    assert failure(sparsebuild("lock", cwd=project)) == (
        4,
        f"error: `model.source`: the Hub at {host}:{port} answers 429 and asks to wait 17 minutes",
    )
    assert not (project / "sparse.lock").exists()


def test_other_bytes_are_5_and_a_vanished_commit_is_4(project, server, sparsebuild):
    assert sparsebuild("lock", cwd=project).code == 0
    commits = server.repos["model", "org/bert"].commits
    server.lies["pytorch_model.bin"] = bytes(len(next(iter(commits.values()))["pytorch_model.bin"]))
    wrong = sparsebuild("run", "fetch@model", cwd=project)
    assert (wrong.code, "is not what sparse.lock promises" in wrong.err) == (5, True), wrong.err
    commits.clear()
    gone = sparsebuild("run", "fetch@model", cwd=project)
    assert (gone.code, "is no longer at the Hub" in gone.err) == (4, True), gone.err


def test_a_download_that_was_killed_goes_on_where_it_was(project, server, sparsebuild, tmp_path):
    files = next(iter(server.repos["model", "org/bert"].commits.values()))
    server.push("model", "org/bert", {**files, "model.safetensors": hubs.safetensors(size=8_000_000)})
    assert sparsebuild("lock", cwd=project).code == 0
    server.faults += [("/cdn/", hub.stall(60, after=3_000_000))]
    words = [sys.executable, "-m", "sparsebuild", "run", "fetch@model"]
    run = subprocess.Popen(words, cwd=project, stderr=subprocess.DEVNULL)
    parts = tmp_path / "cache" / "temporary"
    until = time.monotonic() + 60
    while time.monotonic() < until and sum(part.stat().st_size for part in parts.glob("hub-*.part")) < 3_000_000:
        time.sleep(0.05)
    run.kill()
    run.wait()
    server.asked.clear()
    assert sparsebuild("run", "fetch@model", cwd=project).code == 0
    assert [asked.headers.get("Range") for asked in server.asked if "/cdn/" in asked.path] == ["bytes=3000000-"]


def test_two_projects_at_once_download_once(project, server, tmp_path):
    """Two processes, cold, over one cache; and how far they are is told in bytes."""
    files = next(iter(server.repos["model", "org/bert"].commits.values()))
    server.push("model", "org/bert", {**files, "model.safetensors": hubs.safetensors(size=100_000)})
    other = tmp_path / "other"
    shutil.copytree(project, other)
    words = [sys.executable, "-m", "sparsebuild", "run", "fetch", "--events", "jsonl"]
    runs = [subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) for folder in (project, other)]
    told = [[json.loads(line) for line in run.communicate(timeout=200)[0].splitlines()] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    large = [path for path in server.paths() if path.startswith("/cdn/")]
    assert len(large) == len(set(large)) == 3
    of_model = [e for e in told[0] if e["event"] == "Progress" and e["target"] == "fetch@model"]
    assert {event["unit"] for event in of_model} == {"bytes"}
    assert of_model[-1]["done"] == of_model[-1]["total"] > 0


def test_a_hash_that_somebody_changed_in_the_lock_is_5_though_the_cache_has_the_file(project, server, sparsebuild):
    assert sparsebuild("run", "fetch@model", cwd=project).code == 0
    lock = project / "sparse.lock"
    pinned = next(line for line in lock.read_text().splitlines() if "pytorch_model.bin" in line)
    sha256 = pinned.partition('sha256 = "')[2][:64]
    lock.write_text(lock.read_text().replace(sha256, sha256[::-1]))
    wrong = sparsebuild("run", "fetch@model", cwd=project)
    assert (wrong.code, "pytorch_model.bin" in wrong.err) == (5, True), wrong.err


def test_no_pickle_without_trust_and_the_line_to_write(project, server, sparsebuild):
    text = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(text.replace('trust = "pickle"\n', ""))
    refused = sparsebuild("lock", cwd=project)
    assert (refused.code, 'write `trust = "pickle"` beside this source' in refused.err) == (4, True)


def test_no_token_is_written_anywhere(project, server, process, tmp_path):
    for repo in server.repos.values():
        repo.private = True
    assert process("run", "prepare", cwd=project, HF_TOKEN="hf_good").code == 0
    found = [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_good" in path.read_bytes()]
    assert found == []
