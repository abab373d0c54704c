"""Starting up: every command explains itself at once, and looks without importing what only work needs."""

import os
import subprocess
import sys

import pytest

HEAVY = ("accelerate", "datasets", "huggingface_hub", "onnx", "onnxruntime", "pydantic", "torch", "transformers")
PROBE = """
import sys
from sparsebuild.cli.main import run_command
code = run_command(sys.argv[1:])
print("imported:", *sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
WORDS = ["", "init", "lock", "run", "status", "why", "recipe", "recipe show", "schema", "try"]


def probed(*words, cwd=None):
    """Run a command and ask what it imported."""
    code = PROBE.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=cwd, env={**os.environ}, check=False
    )
    return done.returncode, done.stdout, done.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("words", WORDS)
def test_help_is_there_and_imports_nothing_heavy(words):
    code, text, imported = probed(*words.split(), "--help")
    assert (code, imported) == (0, [])
    assert f"Usage: sparsebuild {words}".rstrip() in text


def test_no_command_is_a_call_for_help(sparsebuild):
    ran = sparsebuild()
    assert ran.code == 2
    assert "Usage: sparsebuild" in ran.out + ran.err


def test_looking_at_a_project_imports_nothing_heavy(project, sparsebuild):
    assert sparsebuild("lock", cwd=project).code == 0
    for words in (
        ["lock", "--check"],
        ["status"],
        ["why", "train"],
        ["run", "--dry-run"],
        ["recipe", "show", "recipe.yaml"],
    ):
        code, _, imported = probed(*words, cwd=project)
        assert (words, code, imported) == (words, 0, [])


def test_a_changed_manifest_is_checked_again(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    text = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(text.replace("threads = 1", "threads = -1"))
    ran = sparsebuild("status", cwd=project)
    assert ran.code == 2
    assert "`train.threads`" in ran.err
    assert "--> sparse.toml:19:11" in ran.err
