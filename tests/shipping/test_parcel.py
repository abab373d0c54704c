"""shipping/parcel.py: what was not built is not published, and secrets are not."""

import pytest

from sparsebuild.encoders import TOKENIZER_FILES
from sparsebuild.errors import UserError
from sparsebuild.shipping.parcel import pack

TOKEN = "hf_" + "a1B2" * 9


def refused(folder):
    with pytest.raises(UserError) as caught:
        pack(folder)
    return [problem.message for problem in caught.value.problems]


def test_all_files_of_a_build_travel_the_statement_last(hub_folder):
    items = pack(hub_folder)
    assert items[-1].path == "provenance.json"
    assert {item.path for item in items} >= {"README.md", "model.safetensors", "onnx/model_quantized.onnx"}
    assert all(item.source.stat().st_size == item.size for item in items)


def test_whatever_files_a_tokenizer_has_travel(hub_folder, again):
    for name in TOKENIZER_FILES:
        (hub_folder / name).write_text("{}")
    again(hub_folder)
    assert {item.path for item in pack(hub_folder)} >= set(TOKENIZER_FILES)


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints/a.json", "Untitled.ipynb", ".env", ".env.local", "__pycache__/a.pyc", "onnx/.DS_Store"]
)
def test_leftovers_are_named(hub_folder, name):
    (hub_folder / name).parent.mkdir(exist_ok=True)
    (hub_folder / name).write_text("")
    assert refused(hub_folder) == [f"`{name}` is a leftover, and would be published"]


def test_other_files_and_links_are_refused(hub_folder, tmp_path):
    (hub_folder / "notes.txt").write_text("")
    (hub_folder / "vocab.txt").symlink_to(tmp_path)
    assert refused(hub_folder) == [
        "`notes.txt` is no file of a build, and would be published",
        "`vocab.txt` is not a plain file",
    ]


def test_a_file_that_was_edited_is_refused(hub_folder):
    (hub_folder / "README.md").write_text("better")
    assert refused(hub_folder) == ["`README.md` is changed: it is not what was built"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (TOKEN, "a token of the Hugging Face Hub"),
        ("ghp_" + "a1B2" * 9, "a token of GitHub"),
        ("AKIA" + "ABCD" * 4, "a key of AWS"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        ("https://me:pass@example.org/x", "a password in an address"),
    ],
)
def test_what_looks_like_a_secret_is_named_with_its_line_and_not_shown(hub_folder, again, text, what):
    (hub_folder / "tokenizer_config.json").write_text(f'{{\n"name": "{text}"}}')
    again(hub_folder)
    assert refused(hub_folder) == [f"`tokenizer_config.json` holds what looks like {what}, in line 2"]


def test_a_secret_in_the_settings_is_found_where_they_are_told(hub_folder, again):
    again(hub_folder, settings={"project": {"name": TOKEN}})
    assert [message.split(" holds ")[0] for message in refused(hub_folder)] == ["`provenance.json`"]
