"""cli/init.py: a first project."""

import os
import subprocess
import sys

import pytest

from sparsebuild import manifest
from sparsebuild.cli import templates
from sparsebuild.errors import UserError


@pytest.mark.parametrize("template", templates.templates())
def test_every_template_becomes_a_project_with_its_own_name(template, tmp_path, sparsebuild):
    ran = sparsebuild("init", "my-ner", "--template", template, cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.endswith("next: cd my-ner && sparsebuild run\n")
    assert manifest.read(tmp_path / "my-ner" / "sparse.toml").project.name == "my-ner"
    assert (tmp_path / "my-ner" / ".gitignore").is_file()
    assert not any(path.name.startswith(".sparsebuild-init") for path in tmp_path.rglob("*"))


def test_what_comes_next_can_be_typed_as_it_is_told(tmp_path, sparsebuild):
    assert sparsebuild("init", "my ner", cwd=tmp_path).err.endswith("next: cd 'my ner' && sparsebuild run\n")


def test_the_quickstart_is_what_one_gets_here(tmp_path, sparsebuild):
    ran = sparsebuild("init", cwd=tmp_path)
    assert ran.err == "created sparse.toml from the template quickstart\nnext: sparsebuild run\n"


@pytest.mark.parametrize("words", [["-C", "there", "init", "my-ner"], ["init", "my-ner", "-C", "there"]])
def test_the_folder_is_taken_from_where_one_is_sent(words, tmp_path, sparsebuild):
    ran = sparsebuild(*words, cwd=tmp_path)
    assert ran.err.endswith("next: cd there/my-ner && sparsebuild run\n")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("sparse.toml")] == [
        "there/my-ner/sparse.toml"
    ]


def test_the_environment_sends_it_elsewhere_too(tmp_path, sparsebuild):
    sparsebuild("init", cwd=tmp_path, SPARSEBUILD_PROJECT="there")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_nothing_is_overwritten(tmp_path, sparsebuild):
    (tmp_path / "notes.txt").write_text("mine")
    ran = sparsebuild("init", tmp_path)
    assert ran.code == 2
    assert "is not empty: it holds `notes.txt`" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("command", ["init", "unbundle"])
def test_what_a_killed_one_had_begun_is_in_nobodys_way(command, tmp_path, sparsebuild):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, live = (tmp_path / f".sparsebuild-{command}-{pid}-ab_1" for pid in (gone.pid, os.getpid()))
    for folder in (left, live):
        (folder / "data").mkdir(parents=True)
    assert f"is not empty: it holds `{live.name}`" in sparsebuild("init", tmp_path).err
    (live / "data").rmdir()
    live.rmdir()
    assert sparsebuild("init", tmp_path).code == 0
    assert not left.exists()


def test_a_fresh_repository_is_empty_enough(tmp_path, sparsebuild):
    (tmp_path / ".git").mkdir()
    assert sparsebuild("init", tmp_path).code == 0


def test_a_file_is_no_place_for_a_project(tmp_path, sparsebuild):
    (tmp_path / "file").write_text("")
    assert sparsebuild("init", tmp_path / "file").code == 2


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("file/project", "`file` is a file, not a folder"),
        ("link", "`link` is a link that leads nowhere, not a folder"),
        ("link/project", "`link` is a link that leads nowhere, not a folder"),
        ("x" * 300, f"no folder can be called `{'x' * 300}`: File name too long"),
    ],
)
def test_where_no_folder_can_be_is_no_place_for_a_project(folder, said, tmp_path, sparsebuild):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    ran = sparsebuild("init", folder, cwd=tmp_path)
    assert (ran.code, ran.err.splitlines()[0]) == (2, f"error: {said}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.parametrize("name", [b"caf\xe9", b"del\x7f", b"two\nlines", b"-dash", "käse".encode()])
def test_a_folder_of_any_name_becomes_a_project(name, tmp_path, sparsebuild):
    ran = sparsebuild("init", "--", os.fsdecode(name), cwd=tmp_path)
    assert ran.code == 0, ran.err
    written = (tmp_path / os.fsdecode(name) / "sparse.toml").read_text()
    assert (
        manifest.parse(written).project.name == name.decode(errors="surrogateescape").encode(errors="replace").decode()
    )
    if name.isascii():
        went = subprocess.run(
            ["sh", "-c", ran.err.partition("next: ")[2].replace("sparsebuild run", "pwd")],
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert went.stdout == bytes(tmp_path / os.fsdecode(name)) + b"\n"


def test_the_list_says_what_each_is_for(sparsebuild):
    lines = sparsebuild("init", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(templates.templates())
    assert all(line.endswith(".") for line in lines)


def test_an_unknown_template_is_told_with_the_nearest():
    with pytest.raises(UserError) as caught:
        templates.find("quickstat")
    assert str(caught.value) == "error: no template is called `quickstat`\n\nhint: did you mean `quickstart`?"


def test_what_an_earlier_build_left_in_a_template_stays_there(tmp_path):
    source = tmp_path / "template"
    for folder in ("data/.mypy_cache", "build", ".sparsebuild"):
        (source / folder).mkdir(parents=True)
    (source / "sparse.toml").write_text("# Mine.\n")
    (source / "data").chmod(0o555)
    templates.copy(source, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").rglob("*")) == ["data", "sparse.toml"]
    assert os.access(tmp_path / "copy" / "data", os.W_OK)


def test_a_name_with_quotes_is_still_toml(tmp_path, sparsebuild):
    folder = tmp_path / 'say "hi" \\1'
    assert sparsebuild("init", folder).code == 0
    assert manifest.read(folder / "sparse.toml").project.name == 'say "hi" \\1'
