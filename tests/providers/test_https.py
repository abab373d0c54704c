"""Files and archives from a server, over TLS, as good and as bad as servers are."""

import errno
import gzip
import hashlib
import io
import os
import re
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import files

from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedSource
from sparsebuild.providers import download as downloads
from sparsebuild.providers import fetch, provider
from sparsebuild.providers.https import Address

ROWS = b'{"tokens": ["ada"], "ner_tags": ["B-person"]}\n' * 20_000  # about 900 kB
SHA256 = hashlib.sha256(ROWS).hexdigest()
SAFETENSORS = (2).to_bytes(8, "little") + b"{}"
MODEL = {"config.json": b'{"model_type": "bert"}', "model.safetensors": SAFETENSORS, "README.md": b"not needed"}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(files.CERTIFICATE))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with files.serving({"/rows.jsonl": ROWS}) as serving:
        yield serving


def resolve(request, context, want="data"):
    return provider(request).resolve(request, want, context)


def failure(request, context, want="data", kind=SourceUnavailable):
    with pytest.raises(kind) as error:
        resolve(request, context, want)
    return str(error.value).replace(request.split("/")[2].partition("@")[2] or request.split("/")[2], "HOST")


def locked(request, context, want="data"):
    found = resolve(request, context, want)
    return LockedSource(name="data.train", kind=f"https-{want}", request=request, files=found.files)


def elsewhere(context, tmp_path):
    """Another machine, with a cache of its own."""
    cache = tmp_path / "other cache"
    return replace(context, store=type(context.store)(cache), temporary=cache / "temporary")


# ---- a file


def test_a_file_is_pinned_and_brought_as_it_was(server, context, tmp_path):
    source = locked(server.url("/rows.jsonl"), context)
    (file,) = source.files
    assert (file.path, file.size, file.sha256) == ("rows.jsonl", len(ROWS), SHA256)
    fetch(source, tmp_path / "out", elsewhere(context, tmp_path))
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == ROWS


def test_nothing_is_left_lying_about(server, context):
    resolve(server.url("/rows.jsonl"), context)
    left = {path.suffix for path in (context.temporary / "downloads").iterdir()}
    assert left <= {".lock", ".answer"}


def test_a_file_that_did_not_change_is_not_sent_twice(server, context):
    first = resolve(server.url("/rows.jsonl"), context)
    sent = []
    again = resolve(server.url("/rows.jsonl"), replace(context, progress=lambda *call: sent.append(call)))
    assert (again, sent) == (first, [])


def test_progress_ends_at_the_whole(server, context):
    seen = []
    resolve(server.url("/rows.jsonl"), replace(context, progress=lambda *call: seen.append(call)))
    assert seen[-1] == (len(ROWS), len(ROWS), "bytes")


def test_the_digest_in_a_request_is_held(server, context):
    url = server.url("/rows.jsonl")
    assert resolve(f"{url}#sha256={SHA256}", context).files[0].sha256 == SHA256
    with pytest.raises(HashMismatch, match=r"`rows.jsonl` of 127.0.0.1:\d+ is not the file that the request names"):
        resolve(f"{url}#sha256={'0' * 64}", context)


def test_other_bytes_at_the_same_address(server, context, tmp_path):
    source = locked(server.url("/rows.jsonl"), context)
    server.files["/rows.jsonl"] = ROWS + b"\n"
    with pytest.raises(HashMismatch) as error:
        fetch(source, tmp_path / "out", elsewhere(context, tmp_path))
    assert str(error.value).endswith(
        "hint: the server has another file now; if you trust it: `sparsebuild lock --upgrade data.train`"
    )


def test_offline_nobody_is_asked(server, context):
    text = failure(server.url("/rows.jsonl"), replace(context, offline=True))
    assert text == "error: HOST would have to be asked, and this run is offline\n\nhint: run once without `--offline`"
    assert server.asked == []


# ---- what is resumed


def test_a_broken_download_goes_on_where_it_stopped(server, context):
    server.faults["/rows.jsonl"] = [files.cut(after=300_000), files.cut(after=300_000)]
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256
    ranges = [asked.headers.get("Range") for asked in server.asked]
    assert ranges[0] is None
    assert all(int(later.removeprefix("bytes=").removesuffix("-")) > 0 for later in ranges[1:])
    assert [asked.headers.get("If-Range") is not None for asked in server.asked] == [False, True, True]


def test_the_next_run_goes_on_with_what_an_earlier_one_left(server, context, monkeypatch):
    monkeypatch.setattr(downloads, "_ALL_TRIES", 1)
    server.faults["/rows.jsonl"] = [files.cut(after=500_000)]
    assert failure(server.url("/rows.jsonl"), context).endswith("hint: try again later; what has come so far is kept")
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256
    assert server.asked[-1].headers["Range"].startswith("bytes=")


def test_a_file_that_changed_between_two_tries_starts_over(server, context):
    def change(handler, data):
        files.cut(after=300_000)(handler, data)
        server.files["/rows.jsonl"] = b"new " + ROWS

    server.faults["/rows.jsonl"] = [change]
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == hashlib.sha256(b"new " + ROWS).hexdigest()


@pytest.mark.parametrize("second", [files.whole, files.status(416)], ids=["all of it", "a refusal"])
def test_a_server_that_cannot_continue_sends_all_again(server, context, second):
    server.faults["/rows.jsonl"] = [files.cut(after=300_000), second]
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256


def test_without_a_strong_etag_nothing_is_continued(server, context):
    server.headers["/rows.jsonl"] = {"ETag": 'W/"weak"'}
    server.faults["/rows.jsonl"] = [files.cut(after=300_000)]
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256
    assert [asked.headers.get("Range") for asked in server.asked] == [None, None]


@pytest.mark.parametrize("changed", [ROWS.replace(b"ada", b"bob"), b"{}\n" + ROWS], ids=["of the same size", "longer"])
def test_two_versions_are_not_joined_where_a_server_knows_no_if_range(server, context, changed):
    def change(handler, data):
        files.cut(after=300_000)(handler, data)
        server.files["/rows.jsonl"] = changed

    def continued(handler, data):
        told = {"Content-Range": f"bytes 300000-{len(data) - 1}/{len(data)}"}
        is_told = len(changed) == len(ROWS)
        handler.reply(206, data[300_000:], told | (handler.described(data) if is_told else {}))

    server.faults["/rows.jsonl"] = [change, continued]
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == hashlib.sha256(changed).hexdigest()


def test_what_came_whole_and_found_no_room_is_not_brought_again(server, context, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(type(context.store), "_keep", no_room)
        assert failure(server.url("/rows.jsonl"), context, kind=UserError).startswith(
            "error: no space left on the disk"
        )
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256
    assert [asked.headers.get("Range") for asked in server.asked] == [None, f"bytes={len(ROWS)}-"]


def no_room(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_of_the_cache_that_knows_no_locks_is_no_matter(server, context, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", flock)
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256


def test_a_flipped_byte_in_what_an_earlier_run_left_is_found_and_brought_again(server, context, monkeypatch, tmp_path):
    source = locked(server.url("/rows.jsonl"), context)
    other = elsewhere(context, tmp_path)
    monkeypatch.setattr(downloads, "_ALL_TRIES", 1)
    server.faults["/rows.jsonl"] = [files.cut(after=500_000)]
    with pytest.raises(SourceUnavailable):
        fetch(source, tmp_path / "out", other)
    (part,) = (p for p in (other.temporary / "downloads").iterdir() if not p.suffix)
    part.write_bytes(b"!" + part.read_bytes()[1:])
    fetch(source, tmp_path / "out", other)
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == ROWS


def test_a_byte_that_is_flipped_on_the_way_is_refused(server, context, tmp_path):
    source = locked(server.url("/rows.jsonl"), context)
    server.faults["/rows.jsonl"] = [files.flip(at=100)]
    with pytest.raises(HashMismatch):
        fetch(source, tmp_path / "out", elsewhere(context, tmp_path))


def test_two_at_once_download_once(server, context, tmp_path):
    source, other = locked(server.url("/rows.jsonl"), context), elsewhere(context, tmp_path)
    server.asked.clear()
    runs = [threading.Thread(target=fetch, args=(source, tmp_path / name, other)) for name in "ab"]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert (tmp_path / "a" / "rows.jsonl").read_bytes() == (tmp_path / "b" / "rows.jsonl").read_bytes() == ROWS
    assert len(server.asked) == 1


# ---- servers that do not do what they should


INSTEAD = {
    "nothing": (files.status(404), "HOST has no such file (404)\n\nhint: check the address"),
    "a joke": (files.status(418), "HOST answers with 418 instead of the file"),
    "a page": (
        files.status(200, {"Content-Type": "text/html; charset=utf-8"}),
        "HOST sends a web page, not the file\n\nhint: open the address in a browser",
    ),
    "compressed": (
        files.status(200, {"Content-Encoding": "gzip"}),
        "HOST sends the file compressed, although it was asked not to",
    ),
    "later": (
        files.status(429, {"Retry-After": "3600"}),
        "HOST asks to come back later (429)\n\nhint: try again in 3600 seconds",
    ),
    "much later": (
        files.status(503, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
        "HOST asks to come back later (503)\n\nhint: try again in N seconds",
    ),
    "to nowhere": (files.redirect(""), "HOST redirects to what is not an address"),
    "to http": (files.redirect("http://127.0.0.1/x"), "HOST redirects to `http:`, which is not followed"),
    "to a file": (files.redirect("file:///etc/passwd"), "HOST redirects to what is not an address"),
    "to a file of a host": (files.redirect("file://localhost/x"), "HOST redirects to `file:`, which is not followed"),
    "to a password": (files.redirect("https://me:secret@127.0.0.1/x"), "HOST redirects to what is not an address"),
}


@pytest.mark.parametrize(("fault", "text"), INSTEAD.values(), ids=INSTEAD)
def test_what_a_server_does_instead(server, context, fault, text):
    server.faults["/rows.jsonl"] = [fault]
    told = re.sub(r"in [0-9]{6,} seconds", "in N seconds", failure(server.url("/rows.jsonl"), context))
    assert told == f"error: {text}"


def test_busy_servers_are_asked_again(server, context, said):
    server.faults["/rows.jsonl"] = [files.status(503), files.status(429, {"Retry-After": "0"})]
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256
    assert [line.partition(": ")[2] for line in said[1:]] == [
        "it is busy (503); trying again",
        "it is busy (429); trying again",
    ]


def test_a_server_that_stays_busy_is_given_up(server, context):
    server.faults["/rows.jsonl"] = [files.status(503)] * 9
    text = failure(server.url("/rows.jsonl"), context)
    assert text == "error: HOST does not send the file: it is busy (503)\n\nhint: try again later"


def test_what_is_packed_is_taken_and_what_was_packed_on_the_way_is_not(server, context):
    server.files["/rows.jsonl.gz"] = gzip.compress(ROWS)
    for path, encoding in (("/rows.jsonl", "Identity"), ("/rows.jsonl", ""), ("/rows.jsonl.gz", "x-gzip")):
        server.headers[path] = {"Content-Encoding": encoding}
        assert resolve(server.url(path), context).files[0].size == len(server.files[path])
    server.headers["/rows.jsonl.gz"] = {"Content-Encoding": "br"}
    assert "sends the file compressed" in failure(server.url("/rows.jsonl.gz?again"), context)


NO_PROXY = (
    "the proxy that the environment names has no address such as http://host:port\n\n"
    "hint: correct HTTPS_PROXY, HTTP_PROXY and ALL_PROXY"
)
SETTINGS = {
    "SOCKS": (
        {"ALL_PROXY": "socks5://localhost:1"},
        "the proxy that the environment names speaks SOCKS, and `socksio` is missing\n\n"
        "hint: run `pip install socksio`, or name an http proxy in HTTPS_PROXY and take ALL_PROXY away",
    ),
    "certificates": (
        {"SSL_CERT_FILE": "/not/there.pem"},
        "the certificates cannot be read: No such file or directory\n\nhint: correct SSL_CERT_FILE, or take it away",
    ),
    "a port": ({"HTTPS_PROXY": "http://localhost:port"}, NO_PROXY),
    "a scheme": ({"HTTPS_PROXY": "gopher://me:CANARY@localhost"}, NO_PROXY),
}


@pytest.mark.parametrize(("settings", "text"), SETTINGS.values(), ids=SETTINGS)
def test_settings_of_the_network_that_cannot_be_used_are_named(context, monkeypatch, settings, text):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "socksio", None)
    assert failure("https://host.example/rows.jsonl", context) == f"error: HOST cannot be asked: {text}"


def test_a_token_that_no_header_can_hold_is_not_quoted(server, context, monkeypatch):
    monkeypatch.setenv(downloads.TOKENS, f"127.0.0.1:{server.port}=s\u00e9same")
    assert failure(server.url("/rows.jsonl"), context) == (
        "error: the token for HOST holds signs that no token has\n\n"
        "hint: copy it into SPARSEBUILD_HTTPS_TOKENS once more"
    )


def test_a_server_that_falls_silent_is_given_up(server, context, monkeypatch):
    monkeypatch.setattr(downloads, "_STALLED", 0.2)
    silent = threading.Event()
    server.faults["/rows.jsonl"] = [files.stall(silent)] * 4
    assert "does not send the file: " in failure(server.url("/rows.jsonl"), context)
    silent.set()


def test_a_server_without_an_end_is_cut_off(server, context, monkeypatch):
    monkeypatch.setattr(downloads, "_MOST_UNSAID", 5_000_000)
    server.faults["/rows.jsonl"] = [files.endless]
    assert failure(server.url("/rows.jsonl"), context) == "error: HOST sends more than 5.0 MB"


def test_a_dead_server(server, context):
    text = failure("https://127.0.0.1:1/rows.jsonl", context)
    assert text.startswith("error: HOST does not send the file: ")


def test_a_certificate_that_nobody_vouches_for(server, context, said, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    assert failure(server.url("/rows.jsonl"), context) == (
        "error: nobody whom this machine trusts vouches for the certificate of HOST\n\n"
        "hint: if it is your own server, or a proxy on the way, name the certificate in SSL_CERT_FILE"
    )
    assert server.asked == []
    assert [sentence for sentence in said if "again" in sentence] == []


def test_redirects_have_an_end(server, context):
    server.faults["/rows.jsonl"] = [files.redirect("/rows.jsonl")] * 11
    assert failure(server.url("/rows.jsonl"), context) == "error: HOST redirects more than 10 times"


def test_a_disk_without_room(server, context, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: type("", (), {"free": 1000})())
    text = failure(server.url("/rows.jsonl"), context)
    assert text.startswith("error: the file needs 0.9 MB, and the disk of the cache has 0.0 MB")


# ---- secrets


@pytest.fixture
def token(server, monkeypatch):
    monkeypatch.setenv(downloads.TOKENS, f"127.0.0.1:{server.port}=CANARY other.example=no")
    server.tokens["/rows.jsonl"] = "CANARY"
    return "CANARY"


def test_a_token_goes_to_its_host(server, context, token):
    assert resolve(server.url("/rows.jsonl"), context).files[0].sha256 == SHA256


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_token_goes_along_with_a_redirect_only_to_its_host(server, context, token, host):
    server.faults["/old.jsonl"] = [files.redirect(server.url("/free.jsonl?signed=SIGNATURE", host=host))]
    server.files["/free.jsonl"] = ROWS
    resolve(server.url("/old.jsonl"), context)
    went = {asked.target: asked.headers.get("Authorization") for asked in server.asked}
    expected = f"Bearer {token}" if host == "127.0.0.1" else None
    assert went == {"/old.jsonl": f"Bearer {token}", "/free.jsonl?signed=SIGNATURE": expected}


def test_a_token_is_for_one_port(server, context, token):
    with files.serving({"/rows.jsonl": ROWS}) as other:
        resolve(other.url("/rows.jsonl"), context)
    assert "Authorization" not in other.asked[0].headers


def test_without_the_token_it_is_told_how(server, context):
    server.tokens["/rows.jsonl"] = "CANARY"
    text = failure(server.url("/rows.jsonl"), context)
    assert text == (
        "error: HOST does not give the file to us (401)\n\n"
        'hint: if you have a token for it, put it into the environment: `SPARSEBUILD_HTTPS_TOKENS="HOST=TOKEN"`'
    )


def test_no_secret_is_written_or_said(server, context, token, said, tmp_path):
    server.faults["/rows.jsonl"] = [
        files.redirect(server.url("/signed?X-Amz-Signature=SIGNATURE")),
        files.redirect(server.url("/signed?X-Amz-Signature=SIGNATURE")),
    ]
    server.faults["/signed"] = [files.cut(after=10), files.status(500, {}, b"CANARY SIGNATURE")]
    server.files["/signed"] = ROWS
    server.faults["/rows.jsonl"] += [files.status(403, {}, b"CANARY SIGNATURE")]
    text = failure(server.url("/rows.jsonl"), context)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("CANARY", "SIGNATURE"):
        assert secret not in text + "".join(said)
        assert secret.encode() not in written


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://me:CANARY@host/x.jsonl", "holds a name or password"),
        ("https://CANARY@host/x.jsonl", "holds a name or password"),
        ("https://host/x.jsonl?token=CANARY", "holds what looks like a secret, `token=`"),
        ("https://host/x.jsonl?a=1&X-Amz-Signature=CANARY", "holds what looks like a secret, `X-Amz-Signature=`"),
        ("https://host/x.jsonl?api_key=CANARY", "holds what looks like a secret, `api_key=`"),
        ("https:host/x.jsonl", "is not an address such as https://host/path/file\n\nhint: correct the address"),
        ("https:///x.jsonl", "is not an address such as https://host/path/file"),
        ("https://host:port/x.jsonl", "is not an address: "),
        ("https://[host/x.jsonl", "is not an address: "),
        ("https://host/a b", "is not an address such as https://host/path/file"),
        ("https://host/", "does not end in the name of a file\n\nhint: name a file, or an archive"),
        ("https://host/a/..", "does not end in the name of a file: it has an empty part, `.` or `..`"),
        ("https://host/%2e%2e", "does not end in the name of a file: it has an empty part, `.` or `..`"),
        ("https://host/a%00b", "does not end in the name of a file: it holds a backslash or a control character"),
        ("https://host/x#sha256=abc", "the digest behind the `#` is not a sha256 of 64 digits"),
        ("https://host/x.zip#../y", "`../y` is not a folder of an archive: it has an empty part, `.` or `..`"),
    ],
)
def test_addresses_that_are_refused_before_anyone_is_asked(url, fault):
    with pytest.raises(UserError) as error:
        Address.parse(url)
    assert fault in str(error.value)
    assert "CANARY" not in str(error.value)


def test_http_is_not_spoken():
    with pytest.raises(SourceUnavailable, match="over `http:` anyone on the way could change what arrives"):
        provider("http://host/x")


# ---- archives


def as_zip(contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def as_tar(contents, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def as_zst(contents):
    import zstandard

    return zstandard.compress(as_tar(contents, "w"))


FORMATS = {
    "zip": as_zip,
    "tar.gz": as_tar,
    "tar": lambda contents: as_tar(contents, "w"),
    "tar.zst": as_zst,
    "tgz": lambda contents: as_tar(contents, "w"),  # SparseML called plain tars so
}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_model_in_an_archive(server, context, tmp_path, suffix):
    server.files[f"/m.{suffix}"] = FORMATS[suffix]({f"m/{name}": data for name, data in MODEL.items()})
    source = locked(server.url(f"/m.{suffix}#m"), context, "model")
    assert [file.path for file in source.files] == ["config.json", "model.safetensors"]
    fetch(replace(source, kind="https-model"), tmp_path / "out", elsewhere(context, tmp_path))
    assert (tmp_path / "out" / "config.json").read_bytes() == MODEL["config.json"]


def test_one_file_out_of_an_archive(server, context, tmp_path):
    server.files["/a.zip"] = as_zip({"data/rows.jsonl": ROWS, "other": b""})
    source = locked(server.url("/a.zip#data/rows.jsonl"), context)
    assert [file.path for file in source.files] == ["rows.jsonl"]
    fetch(source, tmp_path / "out", elsewhere(context, tmp_path))
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == ROWS


def test_rows_of_an_archive_that_are_not_right_in_its_folder_are_told(server, context, said):
    names = ["d/a.jsonl", "d/B.JSONL", "d/._a.jsonl", "d/sub/c.jsonl", "other.jsonl"]
    server.files["/a.zip"] = as_zip(dict.fromkeys(names, ROWS))
    assert [file.path for file in locked(server.url("/a.zip#d"), context).files] == ["B.JSONL", "a.jsonl"]
    host = server.url("").removeprefix("https://").rstrip("/")
    assert said[-1].replace(host, "HOST") == (
        "only files right in `d` of `a.zip` of HOST are taken, `d/sub/c.jsonl` is not: name its folder behind the `#`, "
        "or unpack it and name a pattern"
    )


def test_a_wrong_folder_is_told_the_right_ones(server, context):
    server.files["/m.zip"] = as_zip({f"a/b/{name}": data for name, data in MODEL.items()})
    text = failure(server.url("/m.zip"), context, "model", UserError)
    assert text == (
        "error: the top of `m.zip` of HOST holds no config.json, so it is not a model\n\nhint: it has: `#a/b`"
    )


def test_a_single_file_is_no_model(server, context):
    text = failure(server.url("/model.safetensors"), context, "model", UserError)
    assert text.startswith("error: `model.safetensors` of HOST is one file; a model is several")


def test_pickles_are_taken_only_where_they_are_trusted(server, context):
    server.files["/m.zip"] = as_zip({"config.json": b"{}", "pytorch_model.bin": b"a pickle"})
    assert "a pickle, which could run code" in failure(server.url("/m.zip"), context, "model")
    found = resolve(server.url("/m.zip"), replace(context, trust="pickle"), "model")
    assert [file.path for file in found.files] == ["config.json", "pytorch_model.bin"]


def test_a_config_that_asks_for_code_is_refused(server, context):
    server.files["/m.zip"] = as_zip({**MODEL, "config.json": b'{"auto_map": {"AutoModel": "evil.Model"}}'})
    assert "`config.json` asks for code" in failure(server.url("/m.zip"), context, "model")


def test_a_damaged_archive(server, context):
    server.files["/m.tar.gz"] = as_tar(MODEL)[:-20]
    assert "error: `m.tar.gz` of HOST is damaged: " in failure(server.url("/m.tar.gz"), context, "model")
    server.files["/n.tar.gz"] = gzip.compress(b"hello")
    assert "error: `n.tar.gz` of HOST is damaged: " in failure(server.url("/n.tar.gz"), context, "model")
    server.files["/o.tar.gz"] = b"hello"
    text = failure(server.url("/o.tar.gz"), context, "model")
    assert text.startswith("error: `o.tar.gz` of HOST is refused: it is not a zip, tar, tar.gz or tar.zst file")
