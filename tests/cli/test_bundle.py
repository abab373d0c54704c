"""cli/bundle.py: a project goes to another machine in one file, and what comes from others is looked at first."""

import hashlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import hub
import hubs


@pytest.fixture
def locked(project, sparsebuild):
    assert sparsebuild("lock", cwd=project).code == 0
    return project


@pytest.fixture
def packed(locked, sparsebuild, tmp_path_factory):
    """The bundle of a project."""
    path = tmp_path_factory.mktemp("packed") / "tiny.tar"
    assert sparsebuild("bundle", path, cwd=locked).code == 0
    return path


def elsewhere(tmp_path_factory):
    """The environment of another machine: nothing is in its cache."""
    return {"SPARSEBUILD_CACHE_DIR": str(tmp_path_factory.mktemp("elsewhere")), "SPARSEBUILD_OFFLINE": "1"}


def members(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def repacked(path, files, **about):
    """A bundle of `files`, as somebody could make it by hand."""
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in about.get(name, {}).items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return path


def with_table(files, **changed):
    """The files with others among those of the project, and a table that knows of them."""
    files |= {f"project/{name}": data for name, data in changed.items()}
    head = json.loads(files["bundle.json"])
    head["files"] |= {name: hashlib.sha256(data).hexdigest() for name, data in changed.items()}
    return {**files, "bundle.json": json.dumps(head).encode()}


def test_the_same_project_is_the_same_bytes_and_nothing_else_of_its_folder_is_in_it(locked, process, tmp_path):
    (locked / ".env").write_text("TOKEN=canary")
    (locked / "notes.txt").write_text("canary")
    first = process("bundle", "a.tar", "--json", cwd=locked).json
    os.utime(locked / "data" / "train.jsonl", (1, 1))
    (locked / "data" / "train.jsonl").chmod(0o600)
    second = process("bundle", tmp_path / "b.tar", "--json", cwd=locked, TZ="Asia/Tokyo", LANG="C").json
    assert first["sha256"] == second["sha256"]
    data = (locked / "a.tar").read_bytes()
    assert b"canary" not in data
    assert str(locked).encode() not in data


def test_what_is_there_is_written_over_only_if_that_is_said(packed, locked, sparsebuild):
    before = packed.read_bytes()
    refused = sparsebuild("bundle", packed, cwd=locked)
    assert (refused.code, refused.err.splitlines()[0]) == (2, f"error: `{packed}` is there already")
    assert sparsebuild("bundle", packed, "--force", cwd=locked).code == 0
    assert packed.read_bytes() == before


def test_a_project_arrives_whole_and_is_built_without_a_network(
    tmp_path, tmp_path_factory, sparsebuild, process, monkeypatch, project
):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        server.push("model", "org/bert", {**hubs.MODEL, "model.safetensors": hubs.safetensors(size=2_400_000)})
        text = (project / "sparse.toml").read_text().replace('source = "model"', 'source = "hf:org/bert"')
        (project / "sparse.toml").write_text(text)
        assert sparsebuild("lock", cwd=project).code == 0
        ran = sparsebuild("bundle", tmp_path / "b.tar", cwd=project)
        assert ran.code == 0, ran.err
    there = {**elsewhere(tmp_path_factory), "HF_HUB_CACHE": "/nonexistent", "HF_HOME": "/nonexistent"}
    ran = process("unbundle", "b.tar", cwd=tmp_path, **there)
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "next: cd b && sparsebuild run --offline"), ran.err
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "data",
        "recipe.yaml",
        "sparse.lock",
        "sparse.toml",
    ]
    ran = process("fetch", "--offline", cwd=tmp_path / "b", **there)
    assert ran.code == 0, ran.err
    fetched = tmp_path / "b" / ".sparsebuild" / "fetch" / "model" / "model.safetensors"
    assert fetched.read_bytes() == hubs.safetensors(size=2_400_000)
    assert sparsebuild("gc", "--json", cwd=tmp_path, **there).json["unneeded"]["files"] == 0


def test_a_lock_that_is_out_of_date_is_3(locked, sparsebuild, tmp_path):
    (locked / "data" / "train.jsonl").write_text("{}\n")
    ran = sparsebuild("bundle", tmp_path / "b.tar", cwd=locked)
    assert (ran.code, (tmp_path / "b.tar").exists()) == (3, False)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("../rows.jsonl", "error: `data.train` is `../rows.jsonl`, which only this machine has\n"),
        (".hidden/rows.jsonl", "error: `.hidden/rows.jsonl` of `data.train` cannot be bundled: "),
        ("build/rows.jsonl", "error: `build/rows.jsonl` of `data.train` cannot be bundled: "),
    ],
)
def test_sources_that_another_machine_would_not_have(tmp_path, write_project, sparsebuild, source, fault):
    project = tmp_path / "project"
    project.mkdir()
    write_project(project)
    (project / "model" / "model.safetensors").write_bytes(hubs.safetensors())
    (project / source).parent.mkdir(exist_ok=True)
    (project / source).write_text((project / "data" / "train.jsonl").read_text())
    text = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(text.replace("data/train.jsonl", source))
    assert sparsebuild("lock", cwd=project).code == 0
    ran = sparsebuild("bundle", tmp_path / "b.tar", cwd=project)
    assert (ran.code, ran.err.startswith(fault)) == (2, True), ran.err
    assert not (tmp_path / "b.tar").exists()


def altered(files, name, data):
    return {**files, name: data}


HOOK = b"[core]\nfsmonitor = touch pwned\n"
ATTACKS = {
    "no bundle": (lambda f: {"x": b"y"}, 4, "is refused: it is no bundle of sparsebuild"),
    "another form": (lambda f: {**f, "bundle.json": b'{"bundle-version": 2, "files": {}}'}, 2, "version 2; this "),
    "no table": (
        lambda f: {**f, "bundle.json": b'{"files": [], "bundle-version": 1}'},
        4,
        "its `bundle.json` is not one",
    ),
    "a deep table": (lambda f: {**f, "bundle.json": b"[" * 100_000}, 4, "its `bundle.json` is not one"),
    "no project": (lambda f: {**f, "bundle.json": b'{"files": {}, "bundle-version": 1}'}, 4, "it holds no project"),
    "more than its table": (lambda f: {**f, "project/more": b""}, 4, "`project/more` is not where its table says"),
    "less than its table": (lambda f: {n: f[n] for n in f if "train" not in n}, 4, "`project/data/train.jsonl` is not"),
    "out of the folder": (lambda f: with_table(f, **{"../x": b""}), 4, "'project/../x': it has an empty part"),
    "a repository's config": (
        lambda f: with_table(f, **{".git/config": HOOK}),
        4,
        "'.git/config': it is where programs",
    ),
    "records": (lambda f: with_table(f, **{".sparsebuild/x": b""}), 4, "'.sparsebuild/x': it is where programs"),
    "outputs": (lambda f: with_table(f, **{"Build/x": b""}), 4, "'Build/x': it is where programs"),
    "one name on some disks": (lambda f: with_table(f, **{"SPARSE.toml": b""}), 4, "are one name on some disks"),
    "other bytes": (
        lambda f: altered(f, "project/recipe.yaml", b"x"),
        5,
        "`recipe.yaml` in `hostile.tar` has other bytes",
    ),
    "another lock": (
        lambda f: with_table(f, **{"data/train.jsonl": b"x"}),
        4,
        "its lock does not answer it: data.train",
    ),
    "an object more": (lambda f: {**f, f"objects/{'a' * 64}": b""}, 4, "do not agree about aaaa"),
    "this machine": (
        lambda f: with_table(
            f, **{"sparse.toml": f["project/sparse.toml"].replace(b"data/train.jsonl", b"/**/*.jsonl")}
        ),
        4,
        "it reads `/**/*.jsonl` of this machine",
    ),
    "a wrong manifest": (lambda f: with_table(f, **{"sparse.toml": b"x = 1\n"}), 2, "error: "),
    "a wrong lock": (lambda f: with_table(f, **{"sparse.lock": b"x = 1\n"}), 2, "`sparse.lock` is not a lock"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_bundle_is_refused_and_leaves_nothing(packed, sparsebuild, tmp_path, attack):
    make, code, fault = ATTACKS[attack]
    path = repacked(tmp_path / "hostile.tar", make(members(packed)))
    ran = sparsebuild("unbundle", path.name, "there", cwd=tmp_path)
    assert (ran.code, fault in ran.err) == (code, True), ran.err
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_plain_file_is_refused(packed, sparsebuild, tmp_path, kind):
    about = {"project/recipe.yaml": {"type": kind, "linkname": "/etc/passwd"}}
    path = repacked(tmp_path / "hostile.tar", members(packed), **about)
    ran = sparsebuild("unbundle", path, tmp_path / "there")
    assert (ran.code, "'project/recipe.yaml', which is" in ran.err) == (4, True), ran.err
    assert not (tmp_path / "there").exists()


def test_an_object_under_a_wrong_name_is_5(tmp_path, tmp_path_factory, sparsebuild, monkeypatch, project):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        server.push("model", "org/bert", hubs.MODEL)
        text = (project / "sparse.toml").read_text().replace('source = "model"', 'source = "hf:org/bert"')
        (project / "sparse.toml").write_text(text)
        assert sparsebuild("lock", cwd=project).code == sparsebuild("bundle", "b.tar", cwd=project).code == 0
    files = members(project / "b.tar")
    name = next(name for name in files if name.startswith("objects/"))
    path = repacked(tmp_path / "hostile.tar", {**files, name: files[name] + b"x"})
    ran = sparsebuild("unbundle", path, tmp_path / "there", **elsewhere(tmp_path_factory))
    assert (ran.code, f"`{name}` in `hostile.tar` has other bytes than its name says" in ran.err) == (5, True), ran.err
    assert not (tmp_path / "there").exists()


def test_nothing_is_unpacked_over_anything(packed, sparsebuild, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("mine")
    ran = sparsebuild("unbundle", packed, tmp_path / "there")
    assert (ran.code, [path.name for path in (tmp_path / "there").iterdir()]) == (2, ["mine"])
    assert "`unbundle` never overwrites; name a new folder\n" in ran.err


@pytest.mark.parametrize(("folder", "where"), [((), "base/packed"), (("here",), "base/here")])
def test_the_folder_is_taken_from_where_one_is_sent(packed, sparsebuild, tmp_path, folder, where):
    packed = packed.rename(tmp_path / "packed.tar")
    assert sparsebuild("-C", "base", "unbundle", "packed.tar", *folder, cwd=tmp_path).code == 0
    assert (tmp_path / where / "sparse.toml").is_file()


@pytest.mark.slow
def test_elsewhere_the_same_model_comes_out(tmp_path, tmp_path_factory, write_project, put_weights, sparsebuild):
    here = tmp_path / "here"
    here.mkdir()
    write_project(here)
    put_weights(here / "model")
    assert sparsebuild("run", cwd=here).code == 0
    assert sparsebuild("bundle", tmp_path / "b.tar", cwd=here).code == 0
    there = elsewhere(tmp_path_factory)
    assert sparsebuild("unbundle", tmp_path / "b.tar", tmp_path / "there", **there).code == 0
    ran = sparsebuild("run", "--offline", cwd=tmp_path / "there", **there)
    assert (ran.code, "restored" in ran.err) == (0, False), ran.err
    for name in ("train/model/model.safetensors", "export/deployment/model.onnx"):
        assert (tmp_path / "there" / "build" / name).read_bytes() == (here / "build" / name).read_bytes()
