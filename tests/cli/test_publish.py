"""cli/publish.py and cli/attest.py on a tiny project that is really built."""

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub

FILES = [
    "README.md",
    "config.json",
    "export.json",
    "model.safetensors",
    "onnx/model_quantized.onnx",
    "sparse.lock",
    "structure.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "provenance.json",
]


@pytest.fixture(scope="module")
def first(tmp_path_factory, write_project, put_weights, sparsebuild):
    """A project that was built once, of random weights."""
    folder = tmp_path_factory.mktemp("built") / "project"
    folder.mkdir()
    write_project(folder)
    put_weights(folder / "model")
    ran = sparsebuild("run", cwd=folder)
    assert ran.code == 0, ran.err
    return folder


def test_a_dry_run_shows_every_file_and_sends_nothing(built, sparsebuild):
    shown = sparsebuild("publish", "hf:org/tiny", "--dry-run", cwd=built)
    assert (shown.code, shown.err) == (0, "nothing was published: this was a dry run\n")
    *files, total = shown.out.splitlines()
    assert [line.split()[0] for line in files] == FILES
    assert re.fullmatch(r"11 files, [\d.]+ kB, for hf:org/tiny", total)


def test_it_is_published_once_and_checked_where_it_arrived(built, tmp_path, monkeypatch, sparsebuild):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        monkeypatch.setenv("HF_TOKEN", server.token)
        told = sparsebuild("publish", "hf:org/tiny", "--private", "--json", cwd=built).json
        again = sparsebuild("publish", "hf:org/tiny", cwd=built)
        repo = server.repos["model", "org/tiny"]
    assert [file["path"] for file in told["files"]] == FILES
    assert (told["is_changed"], repo.private, len(repo.commits)) == (True, True, 2)
    assert again.out.splitlines()[-1] == (
        f"there already, nothing to publish: {server.endpoint}/org/tiny, commit {told['commit']}"
    )
    for path, data in repo.commits[told["commit"]].items():
        (tmp_path / "got" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "got" / path).write_bytes(data)
    (tmp_path / "got" / ".gitattributes").unlink()  # the Hub's own
    assert sparsebuild("attest", "check", tmp_path / "got").code == 0


def test_a_folder_is_published_and_a_change_in_it_is_found(built, tmp_path, sparsebuild):
    published = sparsebuild("publish", f"dir:{tmp_path / 'shelf'}", cwd=built)
    assert published.code == 0, published.err
    checked = sparsebuild("attest", "check", tmp_path / "shelf")
    assert (checked.code, checked.out[:37]) == (0, "10 files are as provenance.json says;")
    (tmp_path / "shelf" / "config.json").write_text("{}")
    (tmp_path / "shelf" / "more").write_text("")
    checked = sparsebuild("attest", "check", tmp_path / "shelf", "--json")
    assert checked.code == 7
    assert checked.err == "error: `config.json` is changed\n\nerror: `more` is not in the statement\n"
    assert [found["path"] for found in checked.json["differences"]] == ["config.json", "more"]


def test_another_lock_has_an_exit_code_of_its_own(built, sparsebuild):
    lock = built / "build" / "export" / "hub" / "sparse.lock"
    lock.write_text(lock.read_text() + "\n")
    checked = sparsebuild("attest", "check", lock.parent)
    assert checked.code == 5
    assert "sparse.lock is not the lock that provenance.json says this was built from" in checked.err


@pytest.mark.parametrize("change", ["a gate that fails", "an edited card", "a setting that was not built"])
def test_what_a_run_would_not_promote_now_is_not_published(built, change, tmp_path, sparsebuild):
    manifest = built / "sparse.toml"
    if change == "a gate that fails":
        manifest.write_text(manifest.read_text().replace(">= 0.49", ">= 0.99"))
        assert sparsebuild("run", cwd=built).code == 1
    elif change == "an edited card":
        (built / "build/export/hub/README.md").write_text("the best model ever")
    else:
        manifest.write_text(manifest.read_text().replace("threads = 1", "threads = 1\nseed = 7"))
    refused = sparsebuild("publish", f"dir:{tmp_path / 'shelf'}", cwd=built)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: build/export is not what this project would promote now:\n  ")
    assert not (tmp_path / "shelf").exists()


def test_how_to_build_what_is_not_there_is_told_with_what_was_laid_over(built, tmp_path, sparsebuild):
    refused = sparsebuild("publish", f"dir:{tmp_path / 'shelf'}", "--set", "train.seed=7", cwd=built)
    assert "hint: `sparsebuild run --set train.seed=7` builds it, and promotes it if" in refused.err


def test_a_notebooks_leftover_is_refused(built, tmp_path, sparsebuild):
    (built / "build/export/hub/.ipynb_checkpoints").mkdir()
    (built / "build/export/hub/.ipynb_checkpoints/README-checkpoint.md").write_text("")
    refused = sparsebuild("publish", f"dir:{tmp_path / 'shelf'}", cwd=built)
    assert refused.code == 2
    assert refused.err == (
        "error: `.ipynb_checkpoints/README-checkpoint.md` is a leftover, and would be published\n\n"
        "hint: move it elsewhere, or remove it\n"
    )


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (
            "org/tiny",
            "error: `org/tiny` is nowhere to publish to\n\nhint: hf:ORG/NAME for the Hub, dir:PATH for a folder\n",
        ),
        ("hf:tiny", "error: `hf:tiny` does not name a repository\n\nhint: hf:ORG/NAME\n"),
    ],
)
def test_a_place_that_is_none_is_refused(where, told, tmp_path, sparsebuild):
    refused = sparsebuild("publish", where, cwd=tmp_path)
    assert (refused.code, refused.err) == (2, told)


def test_what_the_file_holds_is_told_beside_it(first):
    told = json.loads((first / "build/export/export.json").read_text())
    assert [value["name"] for value in told["inputs"]] == ["input_ids", "attention_mask", "token_type_ids"]
    assert told["outputs"] == [{"name": "logits", "type": "float32", "shape": ["batch", "sequence", 2]}]
    assert (told["scheme"], told["exporter"], told["opset"]) == ("portable", "torchscript", 18)
    pruned = [t for t in told["tensors"] if t["name"].endswith("intermediate.dense.weight")]
    assert [(t["type"], t["shape"]) for t in pruned] == [("int8", [32, 16])] * 2
    assert all(t["sparsity"] == t["zeros"] / 512 for t in pruned)
    assert told["quantized"]["weights"] == "int8 per channel, -63 to 63, zero point 0"
