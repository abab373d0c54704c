"""Models, datasets and recipes of a Hub: what is locked, what is brought, and what is said when it cannot be."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "providers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import files
import hub
import hubs

from sparsebuild.digest import file_digest
from sparsebuild.engine.store import Store
from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource
from sparsebuild.providers import fetch, provider

BIG = hubs.safetensors(size=400_000)


@pytest.fixture
def server(tmp_path, monkeypatch):
    with hub.serving() as server:
        hub.use(server, monkeypatch, tmp_path)
        monkeypatch.setattr("sparsebuild.providers.hub.time.sleep", lambda seconds: None)
        yield server


@pytest.fixture
def model(server):
    """The commit of a model with large weights."""
    return server.push("model", "org/tiny", {**hubs.MODEL, "model.safetensors": BIG})


def resolve(request, context, want="model"):
    return provider(request).resolve(request, want, context)


def locked(request, context, want="model", **more):
    found = resolve(request, context, want)
    facts = {"commit": found.commit, "resolved": found.resolved, "files": found.files, **more}
    return LockedSource(name="model", kind=f"hf-{want}", request=request, **facts)


def names(found):
    return [file.path for file in found.files]


def failure(act, kind=SourceUnavailable):
    with pytest.raises(kind) as error:
        act()
    return str(error.value)


# ---- models


def test_a_model_is_a_commit_and_the_files_it_needs(server, model, context, said):
    found = resolve("hf:org/tiny", context)
    assert (found.commit, found.resolved, found.licence) == (model, "", "apache-2.0")
    assert names(found) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert said == []


def test_the_sha256_of_large_files_is_known_without_their_download(server, model, context):
    weights = resolve("hf:org/tiny", context).files[1]
    assert (weights.size, weights.sha256) == (len(BIG), hub.hashlib.sha256(BIG).hexdigest())
    assert not [path for path in server.paths() if "safetensors" in path or "cdn" in path]


def test_a_branch_a_folder_and_a_commit(server, context):
    inner = {f"v2/bert/{name}": data for name, data in hubs.MODEL.items()}
    first = server.push("model", "org/many", inner)
    second = server.push("model", "org/many", {**inner, "new": b""}, ref="refs/pr/7")
    assert resolve("hf:org/many@refs/pr/7#v2/bert", context).commit == second
    assert names(resolve(f"hf:org/many@{first}#v2/bert", context)) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert failure(lambda: resolve("hf:org/many#v2/bart", context), UserError) == (
        "error: `org/many`: `v2/bart` holds no config.json, so it is not a model\n\nhint: did you mean `v2/bert`?"
    )


def test_shards_are_those_that_the_index_names(server, context):
    shards = {f"model-0000{n}-of-00002.safetensors": hubs.safetensors(fill=n) for n in (1, 2)}
    index = json.dumps({"weight_map": dict(zip("ab", shards, strict=True))}).encode()
    files = {"config.json": hubs.CONFIG, "model.safetensors.index.json": index, **shards, "old.safetensors": b""}
    server.push("model", "org/parts", files)
    assert names(resolve("hf:org/parts", context)) == ["config.json", *shards, "model.safetensors.index.json"]
    server.push("model", "org/parts", {k: v for k, v in files.items() if "2-of" not in k})
    assert "names model-00002-of-00002.safetensors, which is not there" in failure(
        lambda: resolve("hf:org/parts", context)
    )


def test_a_renamed_repository_is_followed_and_written_down(server, model, context, tmp_path):
    server.moved["model", "old/tiny"] = "org/tiny"
    source = locked("hf:old/tiny", context)
    assert source.resolved == "hf:org/tiny@main"
    server.moved.clear()
    fetch(source, tmp_path / "out", context)


def test_a_branch_that_moved_is_another_commit_and_the_pin_still_has_its_bytes(server, model, context, tmp_path):
    source = locked("hf:org/tiny", context)
    moved = server.push("model", "org/tiny", {**hubs.MODEL, "model.safetensors": hubs.safetensors(fill=9)})
    assert resolve("hf:org/tiny", context).commit == moved != model
    fetch(source, tmp_path / "out", context)
    assert (tmp_path / "out/model.safetensors").read_bytes() == BIG


def test_code_is_refused_by_name_before_anything_large_is_brought(server, context):
    for key, value in {"auto_map": {"AutoModel": "m.Evil"}, "attn_implementation": "evil/kernel"}.items():
        config = json.dumps({"model_type": "bert", "text_config": {key: value}}).encode()
        server.push("model", "org/evil", {**hubs.MODEL, "config.json": config})
        said = failure(lambda: resolve("hf:org/evil", context))
        assert said.startswith(f"error: `config.json` asks for code that is not transformers' own: `{key}` = ")


def test_a_pickle_is_refused_and_a_pull_request_with_safetensors_is_offered(server, context):
    pickled = {name: data for name, data in hubs.MODEL.items() if name != "model.safetensors"}
    server.push("model", "org/old", pickled)
    assert 'write `trust = "pickle"` beside this source' in failure(lambda: resolve("hf:org/old", context))
    server.push("model", "org/old", hubs.MODEL, ref="refs/pr/1")
    assert "`hf:org/old@refs/pr/1`" in failure(lambda: resolve("hf:org/old", context))
    assert "pytorch_model.bin" in names(resolve("hf:org/old", replace(context, trust="pickle")))


# ---- datasets and recipes


def test_splits_are_data_files_and_class_labels_the_label_table(server, context):
    rows = hubs.json_lines()
    server.push("dataset", "org/rows", {"README.md": hubs.CARD.encode(), "train.jsonl": rows, "dev.jsonl": rows})
    found = resolve("hf:org/rows?split=validation", context, "data")
    assert (names(found), found.labels, found.licence) == (["dev.jsonl"], {"ner_tags": ("O", "B-PER", "I-PER")}, "mit")
    assert "there are: train, validation" in failure(
        lambda: resolve("hf:org/rows?split=test", context, "data"), UserError
    )


def test_configs_are_those_of_the_card(server, context):
    english = "- config_name: en\n  data_files:\n  - split: train\n    path: en/*.csv\n"
    head = f"---\nconfigs:\n{english}- config_name: de\n  data_dir: de\n"
    server.push(
        "dataset", "org/tongues", {"README.md": f"{head}---\n".encode(), "en/a.csv": b"x", "de/train.csv": b"y"}
    )
    assert names(resolve("hf:org/tongues?config=en&split=train", context, "data")) == ["en/a.csv"]
    assert names(resolve("hf:org/tongues?config=de&split=train", context, "data")) == ["de/train.csv"]
    said = failure(lambda: resolve("hf:org/tongues?split=train", context, "data"), UserError)
    assert said.startswith(
        "error: `org/tongues`: it has several configs, and none of them is the default; there are: en, de"
    )


def test_of_a_script_the_hubs_conversion_to_parquet_is_taken(server, context):
    server.push("dataset", "org/script", {"script.py": b"raise SystemExit", "README.md": hubs.CARD.encode()})
    assert "the Hub has not converted it" in failure(lambda: resolve("hf:org/script?split=train", context, "data"))
    converted = {"default/train/0000.parquet": hubs.parquet(), "default/test/0000.parquet": hubs.parquet()}
    commit = server.push("dataset", "org/script", converted, ref="refs/convert/parquet")
    found = resolve("hf:org/script?split=train", context, "data")
    assert (found.commit, found.resolved) == (commit, "hf:org/script@refs/convert/parquet")
    assert names(found) == ["default/train/0000.parquet"]


def test_an_old_bare_name_is_explained_and_taken_from_where_it_lives_on(server, context, said, tmp_path):
    server.push("dataset", "lhoestq/conll2003", {"train.parquet": hubs.parquet()})
    source = locked("hf:conll2003?split=train", context, "data")
    assert source.resolved == "hf:lhoestq/conll2003@main"
    assert said[-1].endswith("taking `lhoestq/conll2003`; write `hf:lhoestq/conll2003` to say so yourself")
    fetch(source, tmp_path / "out", context)


def test_a_recipe_is_the_one_that_is_there_or_that_is_named(server, context):
    server.push("model", "org/recipes", {"recipe.yaml": b"a: 1\n", "more/b.md": b"---\n---\n"})
    assert names(resolve("hf:org/recipes", context, "recipe")) == ["recipe.yaml"]
    assert names(resolve("hf:org/recipes#more/b.md", context, "recipe")) == ["b.md"]
    server.push("model", "org/recipes", {"a.yaml": b"", "more/b.md": b""})
    assert "there are: `#a.yaml`, `#more/b.md`" in failure(
        lambda: resolve("hf:org/recipes", context, "recipe"), UserError
    )


@pytest.mark.parametrize(
    "request_", ["hf:", "hf:a/b/c", "hf:../x", "hf:a/b?x=1", "hf:a/b#../c", "hf:a/b@../c", "hf:-a/b"]
)
def test_what_cannot_be_a_repository(context, request_):
    failure(lambda: resolve(request_, context), UserError)


def test_a_hostile_listing_names_no_file_outside(server, context):
    server.push("dataset", "org/evil", {"../../etc/train.jsonl": b"x", "train/a\\b.jsonl": b"x"})
    assert "org/evil` holds" in failure(lambda: resolve("hf:org/evil?split=train", context, "data"))


# ---- who may read it


def test_gated_and_private_repositories_say_what_to_do(server, model, context, monkeypatch, tmp_path):
    server.push("model", "org/gated", hubs.MODEL, gated=True)
    server.push("model", "org/private", hubs.MODEL, private=True)
    page = f"{server.endpoint}/org/gated"
    assert failure(lambda: resolve("hf:org/gated", context)) == (
        "error: model `org/gated` is gated: its owner wants to know who reads it\n\n"
        f"hint: accept the conditions at {page}, then set HF_TOKEN or run `hf auth login`"
    )
    assert "or it is private\n\nhint: check the name; set HF_TOKEN" in failure(
        lambda: resolve("hf:org/private", context)
    )
    login = tmp_path / "hf" / "token"  # where `hf auth login` puts it
    login.parent.mkdir(exist_ok=True)
    login.write_text("hf_good")
    assert resolve("hf:org/private", context).commit
    login.unlink()
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert resolve("hf:org/gated", context).commit
    assert resolve("hf:org/private", context).commit
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    assert "does not accept the token\n\nhint: renew HF_TOKEN" in failure(lambda: resolve("hf:org/tiny", context))


def test_the_token_goes_to_the_hub_alone_and_into_no_file(server, context, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    server.push("model", "org/private", {**hubs.MODEL, "model.safetensors": BIG}, private=True)
    fetch(locked("hf:org/private", context), tmp_path / "out", context)
    sent = {asked.path.startswith("/cdn/"): asked.headers.get("Authorization") for asked in server.asked}
    assert sent == {False: "Bearer hf_good", True: None}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_good" in path.read_bytes()]


# ---- what goes wrong on the way


def brought(server, context, tmp_path, *faults):
    source = locked("hf:org/tiny", context)
    server.faults += [("cdn", fault) for fault in faults]
    fetch(source, tmp_path / "out", context)
    assert (tmp_path / "out/model.safetensors").read_bytes() == BIG


def ranges(server):
    return [asked.headers.get("Range") for asked in server.asked if asked.path.startswith("/cdn/")]


def test_a_download_goes_on_where_the_connection_broke(server, model, context, tmp_path):
    brought(server, context, tmp_path, hub.cut(200_000), hub.cut(100_000))
    assert ranges(server) == [None, "bytes=200000-", "bytes=300000-"]


def test_a_mirror_without_ranges_sends_it_all_again(server, model, context, tmp_path):
    brought(server, context, tmp_path, hub.cut(200_000), hub.no_ranges())


def test_another_process_goes_on_from_what_a_killed_one_left(server, model, context, tmp_path):
    source = locked("hf:org/tiny", context)
    part = context.temporary / f"hub-{source.files[1].sha256}.part"
    part.write_bytes(BIG[:150_000])
    fetch(source, tmp_path / "out", context)
    assert ranges(server) == ["bytes=150000-"]
    assert list(context.temporary.glob("*.part")) == []


def test_who_is_asked_to_wait_waits_and_tries_again(server, model, context, tmp_path, said):
    brought(server, context, tmp_path, hub.status(429, {"Retry-After": "3"}), hub.status(503))
    assert said == [
        f"the Hub at 127.0.0.1:{server.port} answers 429: trying again in 4 s",
        f"the Hub at 127.0.0.1:{server.port} answers 503: trying again in 2 s",
    ]


def test_nobody_waits_for_an_hour(server, model, context):
    server.faults.append(("/api/models/org/tiny", hub.status(429, {"Retry-After": "3600"})))
    assert failure(lambda: resolve("hf:org/tiny", context)) == (
        f"error: the Hub at 127.0.0.1:{server.port} answers 429 and asks to wait 61 minutes\n\n"
        "hint: run again then; what has arrived is kept"
    )


def test_a_stall_ends_and_the_download_goes_on(server, model, context, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    brought(server, context, tmp_path, hub.stall(2, after=100_000))
    assert ranges(server) == [None, "bytes=100000-"]


def test_damage_on_the_way_is_noticed_and_the_file_brought_again(server, model, context, tmp_path, said):
    brought(server, context, tmp_path, hub.flip(5000))
    assert said == ["model.safetensors arrived damaged: downloading it again"]


def test_other_bytes_under_the_pinned_commit_are_refused(server, model, context, tmp_path):
    source = locked("hf:org/tiny", context)
    server.lies["model.safetensors"] = bytes(len(BIG))
    said = failure(lambda: fetch(source, tmp_path / "out", context), HashMismatch)
    assert said.startswith("error: `model.safetensors` of `model` is not what sparse.lock promises\n  expected sha256 ")
    assert not (tmp_path / "out/model.safetensors").exists()


def test_a_small_file_that_is_not_what_is_listed_is_refused_while_locking(server, model, context):
    server.lies["config.json"] = hubs.CONFIG.replace(b"bert", b"bart")
    assert "is not what the Hub at" in failure(lambda: resolve("hf:org/tiny", context), HashMismatch)


def test_a_shorter_file_is_told(server, model, context, tmp_path):
    source = locked("hf:org/tiny", context)
    server.lies["model.safetensors"] = BIG[:1000]
    assert "is shorter than the Hub lists it" in failure(lambda: fetch(source, tmp_path / "out", context))


def test_a_dead_mirror_is_told_with_its_name_alone(server, model, context, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://user:secret@127.0.0.1:9")
    said = failure(lambda: resolve("hf:org/tiny", context))
    assert said.startswith("error: the Hub at 127.0.0.1:9 cannot be reached: ")
    assert "secret" not in said


def test_a_certificate_that_nobody_vouches_for_is_told_at_once(model, context, said, monkeypatch):
    with files.serving({}) as mirror:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", mirror.url(""))
        assert "vouches for the certificate of the Hub at 127.0.0.1:" in failure(
            lambda: resolve("hf:org/tiny", context)
        )
    assert (mirror.asked, said) == ([], [])


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "ALL_PROXY",
            "socks5://localhost:1",
            "HUB cannot be asked: the proxy that the environment names speaks SOCKS, ",
        ),
        ("SSL_CERT_FILE", "/not/there.pem", "HUB cannot be asked: the certificates cannot be read: No such file"),
        ("HTTP_PROXY", "http://localhost:port", "HUB cannot be asked: the proxy that the environment names has no "),
        ("HF_TOKEN", "s\u00e9same", "the token for HUB holds signs that no token has"),
    ],
)
def test_settings_of_the_network_that_cannot_be_used_are_named(model, context, monkeypatch, name, value, text):
    from huggingface_hub import close_session

    monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "socksio", None)
    close_session()
    said = re.sub(r"the Hub at 127.0.0.1:\d+", "HUB", failure(lambda: resolve("hf:org/tiny", context)))
    assert said.startswith(f"error: {text}")


def test_what_is_no_hub_is_told(server, model, context):
    server.faults.append(("/api/models", hub.status(200, body=b"<html>log in</html>")))
    assert "is not a Hugging Face Hub\n\nhint: check HF_ENDPOINT" in failure(lambda: resolve("hf:org/tiny", context))


def test_a_commit_that_vanished_is_told_with_the_way_on(server, model, context, tmp_path):
    source = locked("hf:org/tiny", context)
    server.push("model", "org/tiny", hubs.MODEL)
    del server.repos["model", "org/tiny"].commits[model]
    said = failure(lambda: fetch(source, tmp_path / "out", context))
    assert said.startswith(f"error: commit {model[:12]} of `org/tiny` is no longer at the Hub: ")
    assert said.endswith("hint: run `sparsebuild lock --upgrade model` to take what is there now")


# ---- the user's own cache of the Hub


def test_what_other_programs_brought_is_used_and_what_we_bring_is_theirs(server, model, context, tmp_path):
    from huggingface_hub import snapshot_download

    source = locked("hf:org/tiny", context)
    fetch(source, tmp_path / "out", context)
    before = len(server.asked)
    theirs = Path(snapshot_download("org/tiny", revision=model, allow_patterns=["*.safetensors", "*.json"]))
    assert file_digest(theirs / "model.safetensors") == source.files[1].sha256
    fetch(source, tmp_path / "again", replace(context, store=Store(tmp_path / "other")))
    assert not [asked for asked in server.asked[before:] if "/resolve/" in asked.path or "/cdn/" in asked.path]


def test_a_damaged_file_of_that_cache_is_brought_again(server, model, context, tmp_path, said):
    source = locked("hf:org/tiny", context)
    fetch(source, tmp_path / "out", context)
    blob = next((tmp_path / "hf/hub").rglob(f"blobs/{source.files[1].sha256}"))
    blob.write_bytes(b"rot")
    fetch(source, tmp_path / "again", replace(context, store=Store(tmp_path / "other")))
    assert said == ["model.safetensors in the Hub's cache is damaged: downloading it again"]
    assert file_digest(blob) == source.files[1].sha256


def test_offline_that_cache_is_all_there_is(server, model, context, tmp_path, monkeypatch):
    offline = replace(context, offline=True)
    assert "is not in the Hub's cache, and this run is offline" in failure(lambda: resolve("hf:org/tiny", offline))
    source = locked("hf:org/tiny", context)
    empty = replace(offline, store=Store(tmp_path / "other"))
    assert "this run is offline: model.safetensors (0.4 MB)" in failure(lambda: fetch(source, tmp_path / "out", empty))
    fetch(source, tmp_path / "out", context)
    before = len(server.asked)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert resolve("hf:org/tiny", empty).files == source.files
    fetch(source, tmp_path / "again", empty)
    assert len(server.asked) == before


def test_offline_a_part_in_that_cache_is_not_taken_for_the_whole(server, model, context, tmp_path):
    from huggingface_hub import snapshot_download

    rows = {f"data/train-0000{n}-of-00002.parquet": hubs.parquet() for n in range(2)}
    commit = server.push("dataset", "org/rows", rows)
    offline = replace(context, offline=True)
    for kind, name, part in (("dataset", "org/rows", "*00000-of*"), ("model", "org/tiny", "*.safetensors")):
        snapshot_download(name, repo_type=kind, allow_patterns=[part])
    hint = "hint: run once without `--offline`, and without HF_HUB_OFFLINE"
    said = f"error: which files `org/rows` has at commit {commit[:12]} is not known here, and this run is offline"
    assert failure(lambda: resolve("hf:org/rows?split=train", offline, "data")) == f"{said}\n\n{hint}"
    online = resolve("hf:org/rows?split=train", context, "data")
    assert resolve("hf:org/rows?split=train", offline, "data") == online
    resolve("hf:org/tiny", context)
    (tmp_path / "hf/hub/models--org--tiny/snapshots" / model / "tokenizer.json").unlink()
    assert failure(lambda: resolve("hf:org/tiny", offline)) == (
        f"error: `org/tiny` is not whole in the Hub's cache, and this run is offline: tokenizer.json\n\n{hint}"
    )


def test_a_small_file_that_rotted_in_the_store_is_brought_again_while_locking(server, model, context):
    source = locked("hf:org/tiny", context)
    rotten = context.store.path(source.files[0].sha256)
    rotten.chmod(0o644)
    rotten.write_bytes(b"!" + rotten.read_bytes()[1:])
    assert locked("hf:org/tiny", context) == source
    assert rotten.read_bytes() == hubs.CONFIG


def test_a_cache_that_cannot_be_written_is_left_alone(server, model, context, tmp_path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/hub").write_text("a file where the folder would be")
    fetch(locked("hf:org/tiny", context), tmp_path / "out", context)
    assert (tmp_path / "out/model.safetensors").read_bytes() == BIG
