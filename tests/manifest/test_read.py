"""Reading files: what may be in one, and that nothing heavy is needed to look at a manifest."""

import subprocess
import sys
from pathlib import Path

import pytest

from sparsebuild.errors import ManifestError
from sparsebuild.manifest import parse, read, read_text

SMALLEST = '[project]\nname = "p"\n[model]\nsource = "m"\n[data]\ntrain = "t.jsonl"\nvalidation = "v.jsonl"\n'


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path("sparse.toml")


def failure(path):
    with pytest.raises(ManifestError) as error:
        read(path)
    return str(error.value)


def test_values_have_the_types_of_the_model(file):
    file.write_text(f"{SMALLEST}labels = ['O', 'B-x']\n[train]\nlearning_rate = 1\n[gate]\nf1 = '>= 0.4'\n")
    manifest = read(file)
    assert manifest.data.labels == ("O", "B-x")
    assert isinstance(manifest.train.learning_rate, float)
    assert str(manifest.gate.f1) == ">= 0.4"


def test_what_is_left_out_has_its_default(file):
    file.write_text(SMALLEST)
    manifest = read(file)
    assert (manifest.teacher, manifest.recipe, manifest.data.test) == (None, None, None)
    assert (manifest.train.seed, manifest.train.threads, manifest.export.scheme) == (42, "auto", "portable")


@pytest.mark.parametrize("head", ['teacher = "disable"\n', '[teacher]\nsource = "disable"\n'])
def test_both_ways_to_disable_the_teacher_are_one(head):
    teacher = parse(head + SMALLEST).teacher
    assert teacher is not None
    assert (teacher.source, teacher.train) == ("disable", None)


def test_a_byte_order_mark_and_other_line_ends_are_fine(file):
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert read(file) == parse(SMALLEST)


def test_columns_are_right_after_a_byte_order_mark(file):
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("[project]", "projekt = 1\r\n[project]").encode())
    assert failure(file).startswith("error: unknown key `projekt`\n  --> sparse.toml:1:1\n  1 | projekt = 1\n")


def test_missing_file(file):
    assert failure(file) == "error: there is no `sparse.toml`\n\nhint: `sparsebuild init` writes a first one"


def test_in_a_folder_below_the_project(file, monkeypatch):
    file.write_text(SMALLEST)
    below = file.parent / "data" / "more"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    told = "error: there is no `sparse.toml`\n\nhint: the project is in a folder above: `-C ../..`"
    assert failure(Path("sparse.toml")) == told


def test_folder(file):
    file.mkdir()
    assert failure(file) == "error: `sparse.toml` is a folder, not a file\n\nhint: name the file itself"


def test_below_a_file(file):
    file.write_text("")
    assert failure(file / "sparse.toml") == "error: `sparse.toml/sparse.toml` cannot be read: Not a directory"


@pytest.mark.parametrize("text", ["", " \n\t\r\n"])
def test_empty(file, text):
    file.write_text(text)
    assert failure(file) == "error: `sparse.toml` is empty\n\nhint: `sparsebuild init` writes a first one"


def test_not_utf8(file):
    file.write_bytes(b'[project]\nname = "caf\xe9"\n')
    assert failure(file) == (
        "error: `sparse.toml` must be UTF-8, found the byte 0xe9\n  --> sparse.toml:2:1\n\n"
        "hint: save it as UTF-8 in your editor"
    )


def test_nested_too_deeply(file):
    file.write_text(f"x = {'[' * 100_000}")
    assert failure(file) == "error: `sparse.toml` is nested too deeply"


def test_a_file_elsewhere_is_named_as_it_was_given(file, tmp_path):
    (tmp_path / "here").mkdir()
    other = tmp_path / "here" / ".." / "sparse.toml"
    assert "there is no `sparse.toml`" in failure(other)
    assert read_text(Path(__file__)) == Path(__file__).read_text()


def test_looking_at_a_manifest_does_not_import_pydantic():
    code = (
        "import sys\n"
        "from sparsebuild.manifest import Manifest, from_json, parse, read, schema\n"
        "assert not {'pydantic', 'pydantic_core', 'annotated_types'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
