"""Our Hub of the tests is one to the clients that people use."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub
import hubs


@pytest.fixture
def server(tmp_path, monkeypatch):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        yield server


def test_huggingface_hub_lists_and_downloads(server):
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    commit = server.push("model", "org/tiny", hubs.MODEL)
    api = HfApi()
    assert [ref.target_commit for ref in api.list_repo_refs("org/tiny").branches] == [commit]
    listed = {item.path: item.size for item in api.list_repo_tree("org/tiny", recursive=True) if hasattr(item, "size")}
    assert listed == {path: len(data) for path, data in hubs.MODEL.items()}
    assert [item.path for item in api.get_paths_info("org/tiny", ["config.json", "no.json"])] == ["config.json"]
    folder = Path(snapshot_download("org/tiny"))
    assert {path: (folder / path).read_bytes() for path in hubs.MODEL} == hubs.MODEL
    assert Path(hf_hub_download("org/tiny", "config.json", revision=commit)).read_bytes() == hubs.CONFIG


def test_huggingface_hub_understands_the_refusals(server, monkeypatch):
    from huggingface_hub import HfApi, errors, hf_hub_download

    server.push("model", "org/gated", hubs.MODEL, gated=True)
    server.push("model", "org/private", hubs.MODEL, private=True)
    with pytest.raises(errors.GatedRepoError):
        hf_hub_download("org/gated", "config.json")
    with pytest.raises(errors.RepositoryNotFoundError):
        HfApi().model_info("org/private")
    with pytest.raises(errors.RevisionNotFoundError):
        HfApi().model_info("org/gated", revision="nothing")
    with pytest.raises(errors.EntryNotFoundError):
        hf_hub_download("org/private", "no.json", token="hf_good")
    assert HfApi(token="hf_good").model_info("org/private").id == "org/private"


def test_datasets_loads_what_we_pin(server, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr("datasets.config.HF_ENDPOINT", server.endpoint)
    rows = {f"data/{split}-00000-of-00001.parquet": hubs.parquet() for split in ("train", "validation")}
    server.push("dataset", "org/rows", {"README.md": hubs.CARD.encode(), **rows})
    loaded = datasets.load_dataset("org/rows", cache_dir=str(tmp_path / "datasets"))
    assert {split: list(rows) for split, rows in loaded.items()} == {"train": hubs.ROWS, "validation": hubs.ROWS}
    assert loaded["train"].features["ner_tags"].feature.names == hubs.LABELS


def test_datasets_loads_what_the_hub_made_of_a_script(server, tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr("datasets.config.HF_ENDPOINT", server.endpoint)
    server.push("dataset", "org/script", {"script.py": b"raise"})
    rows = {f"org/{split}/0000.parquet": hubs.parquet() for split in ("train", "validation")}
    server.push("dataset", "org/script", rows, ref="refs/convert/parquet")
    folder = str(tmp_path / "datasets")
    loaded = datasets.load_dataset("org/script", revision="refs/convert/parquet", cache_dir=folder)
    assert {split: list(rows) for split, rows in loaded.items()} == {"train": hubs.ROWS, "validation": hubs.ROWS}
