"""A project may bring along `.sparsebuild/`, `build/` and a lock that a stranger made up: none of it is trusted."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ground import CLI, everything, misremembered

from sparsebuild.digest import canonical_json, text_digest
from sparsebuild.engine import record as records
from sparsebuild.engine.fingerprint import fingerprint


@pytest.fixture
def alarmed():
    """Whatever waits for ever ends with an error."""

    def ring(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def edit(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_a_memory_that_somebody_wrote_is_not_believed(say, project):
    """Else a harmless sparse.toml could stand for another one."""
    assert say("lock").code == 0
    memory = project / ".sparsebuild" / "manifest.json"
    edit(memory, lambda data: data["kept"]["data"].update(train="/etc/passwd"))
    assert say("lock", "--check").code == 0
    edit(memory, lambda data: data.update(seal=text_digest(canonical_json(data))))
    assert say("lock", "--check").code == 0
    edit(memory, lambda data: data.update(kept=7, seal=7))
    assert say("status").code == 0


def test_what_another_user_remembered_is_not_believed(say, project, monkeypatch, tmp_path_factory):
    assert say("lock").code == 0
    edit(project / ".sparsebuild" / "manifest.json", lambda data: data["kept"]["project"].update(name="other"))
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(tmp_path_factory.mktemp("another")))
    assert json.loads(say("status", "--json").out)["project"] == "tiny"


STATE = {
    "manifest.json": b"[" * 900_000,
    "recipe.json": b'{"seal": null}',
    "stats.json": lambda project: misremembered(project / "data" / "train.jsonl"),
    "laid-over.json": b'{"prepare": {"profile": 1, "settings": ["\\u001b[2J", "a=[[[["]}}',
    "work/prepare/failed": b"\xff\x1b]0;x\x07" * 10,
    "work/prepare/before.json": b'{"format": 1, "fingerprint": "x", "document": []}',
    "lock.holder": b'{"pid": "x", "host": [], "since": {}}',
}


@pytest.mark.parametrize("name", STATE)
@pytest.mark.parametrize("kind", ["nonsense", "a pipe", "a folder", "a link"])
def test_odd_state_is_no_state(say, built, alarmed, name, kind):
    path = built / ".sparsebuild" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "nonsense":
        data = STATE[name]
        path.write_bytes(data(built) if callable(data) else data)
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    for words in ("status", "why prepare", "lock --check", "metrics"):
        said = say(*words.split())
        assert (said.code, said.err.count("error: ")) == (0, 0)
        assert "\x1b" not in said.out


def test_an_output_that_is_a_pipe_is_no_output(say, built, alarmed):
    output = built / "build" / "eval" / "metrics.json"
    output.unlink()
    os.mkfifo(output)
    assert "the outputs are missing: build/eval" in say("why", "eval").out
    assert say("status").code == 0


FIGURES = {
    "no figures": {"models": {"student": {"validation": {"f1": "\x1b[2J"}, "sparsebuild": []}}},
    "no models": {"models": [1, 2]},
    "numbers of thousands of digits": {"models": {"student": {"sparsity": 10**400, "bytes": -(10**400)}}},
    "gates that are none": {"gates": [{"name": "f1"}, 7, {"name": "x", "limit": [], "holds": 1, "value": None}]},
    "an agreement that is none": {"agreement": "much"},
    "depth": {"models": json.loads("[" * 400 + "]" * 400)},
}


@pytest.mark.parametrize("figures", FIGURES.values(), ids=FIGURES)
def test_figures_that_are_none_are_not_told(say, built, figures):
    for name in ("eval/metrics.json", "export/export.json", "export/gate.json"):
        (built / "build" / name).write_text(json.dumps({"schema_version": 1, **figures}))
    for words in ("status", "metrics", "run -n"):
        said = say(*words.split())
        assert said.code == 0
        assert "\x1b" not in said.out + said.err


def forged(built, **changes):
    """A record of `train` with something else in it, and a fingerprint that fits."""
    path = built / ".sparsebuild" / "records" / "train.json"
    data = json.loads(path.read_text())
    for key, value in changes.items():
        data[key] = value
    data["fingerprint"] = fingerprint(data["document"])
    path.write_text(json.dumps(data))
    return path


OUTSIDE = {"path": "../../victim", "size": 6, "sha256": text_digest("victim")}


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": [OUTSIDE]},
        {"outputs": [{"path": "/etc/passwd", "size": 1, "sha256": "0" * 64}]},
        {"outputs": [{"path": "x", "size": 1, "sha256": "../../../../victim"}]},
        {"outputs": [{"path": "a\0b", "size": 1, "sha256": "0" * 64}]},
        {"inputs": {"x": [OUTSIDE]}},
        {"seconds": "long"},
        {"seconds": 1e300},
        {"notes": []},
        {"folder": 7},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_record_that_leads_out_or_makes_no_sense_is_none(built, changes):
    path = forged(built)
    assert records.read(path.parent, "train") is not None
    forged(built, **changes)
    assert records.read(path.parent, "train") is None


def test_a_record_without_its_parts_is_none(built):
    path = built / ".sparsebuild" / "records" / "train.json"
    for document in ({}, {"step": 1, "version": 1, "params": {}, "inputs": [], "sources": {}, "libraries": {}}):
        forged(built, document=document)
        assert records.read(path.parent, "train") is None


@pytest.mark.parametrize("folder", ["..", "../other", "/tmp", "."])
def test_clean_removes_nothing_that_a_record_leads_to(say, built, folder):
    """Not outside, whatever the record says was left there."""
    victim = built.parent / "victim"
    victim.write_text("victim")
    forged(built, folder=folder, outputs=[{**OUTSIDE, "path": "victim"}, {**OUTSIDE, "path": "sparse.toml"}])
    manifest = (built / "sparse.toml").read_bytes()
    said = say("clean")
    assert said.code == 0
    assert victim.read_text() == "victim"
    assert (built / "sparse.toml").read_bytes() == manifest


@pytest.mark.parametrize("name", [".sparsebuild", "build", "build/eval", ".sparsebuild/records", ".sparsebuild/work"])
def test_nothing_is_written_through_a_link(say, project, name, tmp_path_factory):
    """Outputs, records and notes stay in the project."""
    outside = tmp_path_factory.mktemp("outside")
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).symlink_to(outside)
    before = everything(outside)
    for words in ("lock", "run fetch", "run -n", "clean"):
        say(*words.split())
    assert everything(outside) == before


LINKS = {
    "files": [
        *(".sparsebuild/lock", ".sparsebuild/worker.lock", ".sparsebuild/lock.holder", ".sparsebuild/stats.json"),
        *(".sparsebuild/logs/train.log", ".sparsebuild/records/prepare.json", "build/eval/metrics.json", "sparse.lock"),
    ],
    "folders": [
        *(".sparsebuild/logs", ".sparsebuild/prepare", ".sparsebuild/candidate", ".sparsebuild/work/prepare"),
        *("build/train/model", "build/export"),
    ],
}


@pytest.mark.parametrize("name", [*LINKS["files"], *LINKS["folders"]])
def test_a_run_writes_through_no_link_either(project, tmp_path_factory, name):
    """It says so, or puts its own file in the place of the link."""
    outside = tmp_path_factory.mktemp("outside") / "it"
    if name in LINKS["files"]:
        outside.write_text("lock-version = 1\n")
    else:
        outside.mkdir()
        (outside / "kept").write_text("kept")
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).symlink_to(outside)
    before = everything(outside.parent)
    ran = CLI.made_up(project)
    assert ran.code in (0, 2), ran.err
    assert everything(outside.parent) == before


def test_a_crash_report_is_not_written_through_a_link(project, tmp_path_factory, monkeypatch):
    from sparsebuild.cli import crash

    outside = tmp_path_factory.mktemp("outside")
    (project / ".sparsebuild").symlink_to(outside)
    monkeypatch.chdir(project)
    report = crash.write_report(ValueError("x"), ["status"])
    assert list(outside.iterdir()) == []
    report.unlink()


LOCKS = {
    "a path that leads up": ('path = "config.json"', 'path = "../config.json"', "has the path '../config.json'"),
    "an absolute path": ('path = "config.json"', 'path = "/etc/passwd"', "has the path '/etc/passwd'"),
    "a drive": ('path = "config.json"', 'path = "C:/x"', "has the path 'C:/x'"),
    "a zero byte": ('path = "config.json"', 'path = "a\\u0000"', "has the path 'a\\x00'"),
    "a reserved name": ('path = "config.json"', 'path = "con.json"', "has the path 'con.json'"),
    "a long name": ('path = "config.json"', f'path = "{"x" * 300}"', "it is too long"),
    "names that differ by case": ('path = "vocab.txt"', 'path = "CONFIG.JSON"', "are one name on some disks"),
    "a digest that is a path": ('sha256 = "', 'sha256 = "../../', "has no sha256 for"),
    "a name that is a path": ('name = "model"', 'name = "../../x"', "a source is called '../../x'"),
    "a name with an escape": ('name = "model"', 'name = "\\u001b[2J"', "a source is called '\\x1b[2J'"),
    "a recipe of no files": ('kind = "file-model"', 'kind = "file-recipe"', "is a recipe of"),
}


@pytest.mark.parametrize(("old", "new", "fault"), LOCKS.values(), ids=LOCKS)
def test_a_lock_that_leads_out_or_makes_no_sense_is_refused(say, project, old, new, fault):
    assert say("lock").code == 0
    lock = project / "sparse.lock"
    assert old in lock.read_text()
    lock.write_text(lock.read_text().replace(old, new))
    before = everything(project)
    for words in ("lock --check", "status", "run -n --frozen", "tree", "lock", "run"):
        said = say(*words.split())
        assert said.code == 2
        assert said.err.splitlines()[0].startswith("error: `sparse.lock` is not a lock: ")
        assert fault in said.err.splitlines()[0]
    assert everything(project) == before
