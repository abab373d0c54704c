"""Starting up: every command explains itself at once, and looks without importing what only work needs."""

import inspect
import os
import re
import subprocess
import sys
from importlib import import_module

import pytest
import typer

from sparsebuild.cli.main import COMMANDS

HEAVY = ("accelerate", "datasets", "huggingface_hub", "onnx", "onnxruntime", "pydantic", "torch", "transformers")
PROBE = """
import sys
from sparsebuild.cli.main import run_command
code = run_command(sys.argv[1:])
print("imported:", *sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""
# What a look at a project can do without, and would cost as much as all the rest; `rich` as soon as it is used.
SPARED = ("asyncio", "filelock", "http", "logging", "random", "rich.console", "socket", "ssl", "yaml")
WORDS = ["", "recipe show", *COMMANDS]


def probed(*words, cwd=None, of=HEAVY, **environment):
    """Run a command and ask what it imported."""
    code = PROBE.format(heavy=of)
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("words", WORDS)
def test_help_is_there_and_imports_nothing_heavy(words):
    code, text, imported = probed(*words.split(), "--help", of=HEAVY + SPARED)
    assert (code, imported) == (0, [])
    assert f"Usage: sparsebuild {words}".rstrip() in text


def test_every_row_says_what_its_command_says_and_other_commands_stay_unread():
    for row in COMMANDS.values():
        module, _, name = row.function.partition(":")
        found = getattr(import_module(module), name)
        told = found.info.help if isinstance(found, typer.Typer) else inspect.getdoc(found).splitlines()[0]
        assert told == row.help
    assert probed("schema", "--help", of=("sparsebuild.cli.run", "sparsebuild.cli.schema"))[2] == [
        "sparsebuild.cli.schema"
    ]


def completed(line):
    asked = {"_SPARSEBUILD_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sparsebuild"],
        capture_output=True,
        text=True,
        env={**os.environ, **asked},
        check=True,
    )
    assert "rich.console" not in done.stderr
    return re.findall(r'^(?:.*\(\()?"([^"]+)":', done.stdout, re.MULTILINE)


def test_a_shell_is_told_commands_and_options_at_once():
    assert completed("sparsebuild ") == list(COMMANDS)
    assert completed("sparsebuild lock --up") == ["--upgrade"]


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


@pytest.mark.parametrize("words", ["status", "why train", "run --dry-run"])
def test_looking_spares_what_it_can(words, project, sparsebuild):
    assert sparsebuild("lock", cwd=project).code == 0
    assert probed(*words.split(), cwd=project, of=SPARED)[::2] == (0, [])


def test_a_changed_manifest_is_checked_again(project, sparsebuild):
    sparsebuild("lock", cwd=project)
    text = (project / "sparse.toml").read_text()
    (project / "sparse.toml").write_text(text.replace("threads = 1", "threads = -1"))
    ran = sparsebuild("status", cwd=project)
    assert ran.code == 2
    assert "`train.threads`" in ran.err
    assert "--> sparse.toml:19:11" in ran.err
