"""shipping/provenance.py: a folder is what its statement says, to the byte."""

import json
import os

import pytest

from sparsebuild.errors import UserError
from sparsebuild.shipping.provenance import compare, read, write


def test_it_is_an_in_toto_statement_with_slsas_predicate(hub_folder):
    told = json.loads((hub_folder / "provenance.json").read_text())
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [s["name"] for s in told["subject"]] == [
        ".eval_results/entities.yaml",
        "README.md",
        "config.json",
        "export.json",
        "model.safetensors",
        "onnx/model_quantized.onnx",
        "sparse.lock",
    ]
    definition = told["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {
        "command": "sparsebuild run --locked gate",
        "settings": {"project": {"name": "people"}},
        "recipe": None,
    }
    assert definition["internalParameters"] == {"sparsebuild": "0.1.0", "libraries": {"train": {"torch": "2.13"}}}
    assert definition["resolvedDependencies"][:3] == [
        {"name": "sparse.lock", "digest": {"sha256": "e" * 64}},
        {"name": "model", "uri": "hf:org/bert@main", "digest": {"gitCommit": "c" * 40}},
        {"name": "model/a", "uri": "hf:org/bert@main", "digest": {"sha256": "1" * 64}},
    ]


def test_a_folder_as_it_was_made_has_no_differences(hub_folder):
    assert compare(hub_folder, read(hub_folder)) == ()


def test_every_difference_is_found(hub_folder):
    (hub_folder / "config.json").write_text("{ }")
    (hub_folder / "export.json").unlink()
    (hub_folder / "onnx" / "more").write_text("")
    found = [(d.path, d.what) for d in compare(hub_folder, read(hub_folder))]
    assert found == [
        ("config.json", "changed"),
        ("export.json", "missing"),
        ("onnx/more", "not in the statement"),
    ]


def test_the_same_files_give_the_same_statement(hub_folder, facts):
    before = (hub_folder / "provenance.json").read_bytes()
    write(hub_folder, facts())
    assert (hub_folder / "provenance.json").read_bytes() == before


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(hub_folder):
    (hub_folder / "config.json").unlink()
    os.mkfifo(hub_folder / "config.json")
    assert [(d.path, d.what) for d in compare(hub_folder, read(hub_folder))] == [("config.json", "changed")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"_type": 1}', "[" * 100_000])
def test_what_is_no_statement_is_refused(tmp_path, text):
    (tmp_path / "provenance.json").write_text(text)
    with pytest.raises(UserError, match="is not a statement of provenance by sparsebuild"):
        read(tmp_path)


def test_a_statement_that_points_elsewhere_is_refused(hub_folder):
    path = hub_folder / "provenance.json"
    path.write_text(path.read_text().replace('"name": "config.json"', '"name": "../config.json"'))
    with pytest.raises(UserError, match="is not a statement of provenance by sparsebuild"):
        read(hub_folder)


def test_a_folder_without_one_says_where_they_are(tmp_path):
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"error: there is no provenance.json in {tmp_path}\n\nhint: `build/export` and its `hub/` have one each"
    )
