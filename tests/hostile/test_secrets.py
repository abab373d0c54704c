"""Tokens are planted like canaries, and after each thing that can happen every byte that was written is searched."""

import base64
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
import files
import harm
from ground import CLI, STAND_INS

from sparsebuild.cli import crash
from sparsebuild.concealed import concealed, masked, without_tokens

HUB, FILES, ADDRESS = "hf_CanaryOfTheHub/+1234567", "CanaryOfTheFiles=/+7654321", "CanaryInAnAddress24680"
CANARIES = (HUB, FILES, ADDRESS)


def spellings(secret):
    """The bytes by which a secret could stand somewhere."""
    data = secret.encode()
    yield from (data, quote(secret, safe="").encode(), data.hex().encode(), json.dumps(secret)[1:-1].encode())
    yield from (data[::-1], secret.encode("utf-16-le"))
    for text, before in itertools.product((data, quote(secret, safe="").encode()), range(3)):
        # Base64 depends on how many bytes stand before; six bits make a letter.
        whole = base64.b64encode(b"x" * before + text)[(before * 8 + 5) // 6 : (before + len(text)) * 8 // 6]
        yield from (whole, whole.replace(b"+", b"-").replace(b"/", b"_"))


def found(folders, but=()):
    """Where a canary stands: in a file, or in its name."""
    for path in (path for folder in folders for path in folder.rglob("*") if path not in but):
        data = os.fsencode(path) + (path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
        yield from (f"{secret} in {path}" for secret in CANARIES for s in spellings(secret) if s in data)


def test_a_canary_would_be_found(tmp_path):
    for number, text in enumerate((HUB, quote(FILES, safe=""), f"https://a:{ADDRESS}@b")):
        (tmp_path / str(number)).write_text(text)
        for before in range(3):
            (tmp_path / f"{number}.{before}").write_bytes(base64.b64encode(b"a" * before + text.encode() + b"tail"))
    assert len({told.rpartition("/")[2] for told in found([tmp_path])}) == 12


@pytest.fixture
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def run(project, home):
    """A command with the canaries in its environment, and everything it can write to below two folders."""
    environment = {
        **os.environ,
        "HF_TOKEN": HUB,
        "HOME": str(home),
        "TMPDIR": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "SPARSEBUILD_CACHE_DIR": str(home / "cache"),
        "SSL_CERT_FILE": str(files.CERTIFICATE),
        "PIP_INDEX_URL": f"https://user:{ADDRESS}@127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
    }

    def command(*words, port=0, program=("-m", "sparsebuild")):
        there = {"SPARSEBUILD_HTTPS_TOKENS": f"127.0.0.1:{port}={FILES}"}
        done = subprocess.run(
            [sys.executable, *map(str, program), *words],
            cwd=project,
            env={**environment, **there},
            capture_output=True,
            text=True,
        )
        (home / "said").write_text(done.stdout + done.stderr)
        return done

    return command


def serve(project):
    """Model and recipe at a server that wants a token."""
    packed = io.BytesIO(harm.a_tar((f"m/{p.name}", p.read_bytes()) for p in (project / "model").iterdir()))
    contents = {"/m.tar": packed.getvalue(), "/r.yaml": (project / "recipe.yaml").read_bytes()}
    return files.serving(contents), dict.fromkeys(contents, FILES)


def ask(project, server):
    text = (project / "sparse.toml").read_text().replace('source = "model"', f'source = "{server.url("/m.tar")}#m"')
    (project / "sparse.toml").write_text(text.replace('"recipe.yaml"', f'"{server.url("/r.yaml")}"'))


@pytest.mark.parametrize(
    "program", [("-m", "sparsebuild"), pytest.param((STAND_INS,), id="stand-ins")], ids=["lock", "run"]
)
def test_what_locks_and_runs_leave_holds_no_token(run, project, home, program):
    serving, tokens = serve(project)
    with serving as server:
        server.tokens = tokens
        ask(project, server)
        assert run("lock", port=server.port).returncode == 0, (home / "said").read_text()
        assert any(FILES in str(asked.headers) for asked in server.asked)  # so the token was used
        words = ["fetch"] if program[0] == "-m" else []
        events = ["--events", "events.jsonl"]
        done = run("run", *words, *events, port=server.port, program=program)
        assert done.returncode == 0, done.stderr
        failed = run("run", "--set", "train.seed=13", "--events", "failed.jsonl", port=server.port, program=program)
        assert failed.returncode == (1 if words == [] else failed.returncode)
        for looking in ("status", "log *", "bundle b.tar"):
            run(*looking.split(), port=server.port)
    assert len(list(project.rglob("*"))) > 20
    assert list(found([project, home])) == []


@pytest.mark.slow
def test_nor_do_a_real_training_and_a_real_export(run, project, home):
    """Steps print to logs, libraries keep caches, and ONNX has room for metadata."""
    (project / "model" / "model.safetensors").write_bytes(random_weights(project / "model"))
    done = run("run", "--events", "events.jsonl")
    assert done.returncode == 0, done.stderr
    assert (project / "build" / "export" / "deployment" / "model.onnx").is_file()
    assert list(found([project, home])) == []


def random_weights(folder):
    import torch
    from safetensors.torch import save
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    model = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    return save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})


REFUSED = [
    f"https://user:{ADDRESS}@127.0.0.1:9/m.tar",
    f"https://{ADDRESS}@127.0.0.1:9/m.tar",
    f"https://127.0.0.1:9/m.tar?token={ADDRESS}",
    f"https://127.0.0.1:9/m.tar?v=1&X-Amz-Signature={ADDRESS}",
    f"https://127.0.0.1:9/m.tar?sig={ADDRESS}#m",
]


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize("place", ["file", "setting"])
def test_a_secret_in_an_address_is_refused_and_not_even_quoted(run, project, home, address, place):
    manifest = project / "sparse.toml"
    if place == "file":
        manifest.write_text(CLI.MANIFEST.replace('"model"', f'"{address}"'))
    words = [] if place == "file" else ["--set", f"model.source={address}"]
    for command in ("lock", "run"):
        done = run(command, *words)
        assert done.returncode == 2
        assert "a token belongs into the environment: SPARSEBUILD_HTTPS_TOKENS" in done.stderr
    assert list(found([project, home], but=[manifest])) == []


def test_servers_that_cannot_be_asked_are_named_without_a_secret(run, project, home):
    for source, code in (("hf:org/name", 4), ("pypi:a-package==1", 4), ("https://127.0.0.1:9/m.tar", 4)):
        done = run("lock", "--set", f"model.source={source}")
        assert done.returncode == code, done.stderr
        assert list(found([project, home])) == []


def test_a_crash_report_holds_no_secret(project, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.setenv("HF_TOKEN", HUB)
    monkeypatch.setenv("SPARSEBUILD_HTTPS_TOKENS", f"a.example={FILES} b.example=x")
    (project / ".sparsebuild").mkdir()
    bug = ValueError(f"{HUB} {quote(FILES, safe='')} https://user:{ADDRESS}@h/p?a=1&token={ADDRESS}")
    report = crash.write_report(bug, ["run", "--set", f"model.source=https://{ADDRESS}@h/x", HUB, "\udcff"])
    assert report.parent == project / ".sparsebuild"
    assert "ValueError" in report.read_text()
    assert list(found([project])) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://a:b@h/x", "https://***@h/x"),
        ("https://h/p?token=abc&x=1&Key=d#e and more", "https://h/p?token=***&x=1&Key=*#e and more"),
        ("zoo:a-b-c must end in `?key=value`", "zoo:a-b-c must end in `?key=value`"),
        ("a@b.c = 1, x=2", "a@b.c = 1, x=2"),
        ("https://h/a?monkey=1", "https://h/a?monkey=1"),
    ],
)
def test_what_is_secret_in_an_address_becomes_as_many_asterisks(text, told):
    assert masked(text) == told
    assert concealed(text, {"HF_TOKEN": "abc"}).count("abc") == 0


def test_a_worker_gets_no_token():
    environment = {"PATH": "p", "HF_TOKEN": "a", "HUGGING_FACE_HUB_TOKEN": "b", "SPARSEBUILD_HTTPS_TOKENS": "c=d"}
    assert without_tokens(environment) == {"PATH": "p"}
