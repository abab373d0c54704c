"""What a model's files may be, and that a pickle becomes safetensors without any of it being run."""

import json
import pickle
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import hubs

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers.weights import make_safe, needed, refuse_code


def source(folder, trust=""):
    """A model whose files are those of the folder."""
    files = tuple(LockedFile(path=path.name, size=0, sha256="0" * 64) for path in sorted(folder.iterdir()))
    return LockedSource(name="model", kind="hf-model", request="hf:org/m", trust=trust, files=files)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_bytes(hubs.CONFIG)
    return folder


def refused(folder, context, trust="pickle"):
    with pytest.raises(SourceUnavailable) as error:
        make_safe(folder, source(folder, trust), context)
    return str(error.value)


class Evil:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "before torch 1.6"])
def test_a_trusted_pickle_becomes_the_same_tensors_in_safetensors(folder, context, legacy):
    import torch
    from safetensors.torch import load_file

    tied = torch.arange(6.0).reshape(2, 3)
    tensors = {"a": tied, "b": tied, "part": torch.ones(8)[2:4], "turned": tied.T}
    torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    make_safe(folder, source(folder, "pickle"), context)
    converted = load_file(folder / "model.safetensors")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert all(torch.equal(converted[name], tensor) for name, tensor in tensors.items())


def test_shards_of_a_pickle_become_shards(folder, context):
    import torch

    torch.save({"a": torch.ones(2)}, folder / "pytorch_model-00001-of-00001.bin")
    index = {"metadata": {}, "weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    make_safe(folder, source(folder, "pickle"), context)
    kept = json.loads((folder / "model.safetensors.index.json").read_text())
    assert kept["weight_map"] == {"a": "model-00001-of-00001.safetensors"}
    assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".json", ".safetensors"]


def test_a_pickle_that_would_run_something_runs_nothing(folder, context, tmp_path):
    import torch

    mark = tmp_path / "it ran"
    writers = {
        "it asks to run `getattr`": lambda file: torch.save({"a": Evil(mark)}, file),
        "it holds more than tensors": lambda file: pickle.dump(Evil(mark), file),
    }
    for why, write in writers.items():
        with (folder / "pytorch_model.bin").open("wb") as file:
            write(file)
        assert refused(folder, context) == (
            f"error: `pytorch_model.bin` cannot be converted: {why}\n\nhint: nothing in it was run"
        )
        assert not mark.exists()
        assert not (folder / "model.safetensors").exists()


def test_who_opens_a_pickle_has_no_token(folder, context, tmp_path, monkeypatch):
    opener = tmp_path / "python"
    opener.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    opener.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(opener))
    monkeypatch.setenv("HF_TOKEN", "hf_CANARY")
    monkeypatch.setenv("SPARSEBUILD_HTTPS_TOKENS", "host=CANARY")
    (folder / "pytorch_model.bin").touch()
    refused(folder, context)
    seen = (tmp_path / "seen").read_text()
    assert ("PATH=" in seen, "CANARY" in seen) == (True, False)


def test_what_is_no_set_of_tensors_is_refused(folder, context):
    import torch

    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    assert "cannot be converted" in refused(folder, context)
    torch.save({"epoch": 3}, folder / "pytorch_model.bin")
    assert "it holds 'epoch', which is no tensor" in refused(folder, context)


def test_a_pickle_in_a_lock_that_trusts_none_is_refused(folder, context):
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert 'write `trust = "pickle"`' in refused(folder, context, trust="")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 8, hubs.safetensors()[:-1], hubs.safetensors() + b"x"])
def test_a_damaged_safetensors_file_is_an_error_and_nothing_else_is_taken(folder, context, damage):
    (folder / "model.safetensors").write_bytes(damage)
    assert refused(folder, context).startswith("error: `model.safetensors` of `model` is not a safetensors file: ")


def test_safetensors_come_before_pickles_even_where_those_are_trusted():
    names = ["config.json", "pytorch_model.bin", "model.safetensors", "model-1.safetensors", "vocab.txt"]
    assert needed(names, "pickle", bytes) == ["config.json", "model.safetensors", "vocab.txt"]


@pytest.mark.parametrize("shard", ["../model.safetensors", "x/model.safetensors", "pytorch_model.bin"])
def test_an_index_names_shards_in_its_own_folder(shard):
    index = json.dumps({"weight_map": {"a": shard}}).encode()
    with pytest.raises(SourceUnavailable, match="which is no shard in its folder"):
        needed(["config.json", "model.safetensors.index.json", shard], "", lambda name: index)


def test_a_folder_without_weights_that_are_read():
    with pytest.raises(UserError, match=r"neither model\.safetensors, nor an index"):
        needed(["config.json", "tf_model.h5"], "pickle", bytes)


@pytest.mark.parametrize(
    "asks",
    [
        {"auto_map": {"AutoModel": "x.Y"}},
        {"a": [{"b": {"auto_map": {"AutoConfig": "org/x--y.Z"}}}]},
        {"trust_remote_code": True},
        {"_attn_implementation": "kernels-community/x"},
        {"attn_implementation": {"": "sdpa", "text_config": "mine"}},
        {"_attn_implementation_internal": "org/name:fn"},
        {"experts_implementation": "org/name"},
    ],
)
def test_code_is_refused_wherever_it_is_named(asks):
    with pytest.raises(SourceUnavailable, match="asks for code that is not transformers' own"):
        refuse_code("config.json", json.dumps(asks).encode())


def test_what_transformers_has_itself_is_no_code():
    refuse_code("config.json", b'{"attn_implementation": "sdpa", "_attn_implementation": null, "auto_map": {}}')


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000, b"weights"])
def test_a_config_that_is_not_json(text):
    with pytest.raises(SourceUnavailable, match="is not JSON"):
        refuse_code("config.json", text)
