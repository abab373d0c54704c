"""Opening, checking, listing and planning a stranger's project: no code of its runs, and nothing is written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ground import everything

LOOKING = [
    *("status", "why train", "run -n", "lock --check", "lock -n", "tree", "graph", "metrics", "diff HEAD", "log train"),
    *("recipe show recipe.yaml", "status --offline --json", "run -n --frozen", "run -n --offline"),
    "run -n --set train.seed=7",
    *("gc", "cache size", "clean --dry-run", "bundle --help", "schema"),
]
TRAP = "import pathlib\npathlib.Path(__file__).with_suffix('.sprung').write_text('')\nraise SystemExit('sprung')\n"
SHADOWS = [
    *("torch", "transformers", "tokenizers", "numpy", "yaml", "tomli", "typer", "rich", "pydantic", "filelock", "json"),
    *("sitecustomize", "usercustomize", "sparsebuild", "onnx", "onnxruntime", "safetensors", "pyarrow", "zstandard"),
    *("huggingface_hub", "httpx2", "pip", "encodings"),
]


def set_traps(folder):
    """Files that Python would import if it looked for modules there."""
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(TRAP)
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "__init__.py").write_text(TRAP)
    (folder / "trap.pth").write_text(f"import pathlib; pathlib.Path({str(folder / 'pth.sprung')!r}).write_text('')\n")
    (folder / "pyvenv.cfg").write_text(f"home = {folder}\n")
    (folder / "conftest.py").write_text(TRAP)


def sprung(folder):
    return [path.name for path in folder.rglob("*.sprung")]


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def trapped(built):
    """A built project, full of traps: modules, and a repository whose config names programs for everything."""
    set_traps(built)
    program = built / "program"
    program.write_text(f"#!/bin/sh\ntouch {built}/program.sprung\n")
    program.chmod(0o755)
    if shutil.which("git"):
        git(built, "init", "--quiet", "--initial-branch=main")
        git(built, "add", "sparse.toml", "sparse.lock", "recipe.yaml", "data", "model")
        git(built, "commit", "--quiet", "-m", "first")
        for key in (
            "core.fsmonitor",
            "core.sshCommand",
            "diff.external",
            "diff.a.textconv",
            "core.pager",
            "gpg.program",
        ):
            git(built, "config", key, str(program))
        (built / ".git" / "hooks").mkdir(exist_ok=True)
        for hook in ("post-checkout", "post-index-change", "reference-transaction"):
            shutil.copy(program, built / ".git" / "hooks" / hook)
        (built / ".gitattributes").write_text("* diff=a filter=a\n")
    return built


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
@pytest.mark.parametrize("words", LOOKING)
def test_looking_writes_nothing_and_runs_nothing(say, trapped, words):
    cache = Path(os.environ["SPARSEBUILD_CACHE_DIR"])
    before = everything(trapped, cache)
    said = say(*words.split())
    assert said.code in (0, 2)
    assert said.err.count("error: ") <= 1
    assert everything(trapped, cache) == before
    assert sprung(trapped) == []


@pytest.mark.parametrize(
    "words", ["status", "status --offline", "run -n", "lock --check", "why train", "tree", "graph"]
)
def test_looking_at_a_project_that_nobody_built_makes_no_folder(say, project, monkeypatch, tmp_path_factory, words):
    cache = tmp_path_factory.mktemp("none") / "cache"
    monkeypatch.setenv("SPARSEBUILD_CACHE_DIR", str(cache))
    before = everything(project)
    assert say(*words.split()).code in (0, 3)
    assert everything(project) == before
    assert not cache.exists()


@pytest.mark.parametrize("words", ["status", "lock", "run fetch"])
def test_modules_in_the_project_are_never_imported(project, words):
    set_traps(project)
    command = [Path(sys.executable).with_name("sparsebuild"), *words.split()]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert (done.returncode, sprung(project)) == (0, []), done.stderr


def test_nor_with_the_current_folder_first_on_the_path(project, process):
    """`python -m sparsebuild` begins like that; what Python itself needs to begin is out of our hands."""
    set_traps(project)
    for name in ("sparsebuild", "json", "encodings"):
        shutil.rmtree(project / name)
        (project / f"{name}.py").unlink()
    ran = process("lock", cwd=project)
    assert (ran.code, sprung(project)) == (0, []), ran.err


@pytest.mark.slow
def test_nor_in_the_processes_that_do_the_work(project):
    """A real run: `prepare` opens a tokenizer in a worker, `train` begins, all below a folder of traps."""
    set_traps(project)
    command = [Path(sys.executable).with_name("sparsebuild"), "run", "prepare"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert (done.returncode, sprung(project)) == (0, []), done.stderr
    assert (project / ".sparsebuild" / "prepare" / "labels.json").is_file()
