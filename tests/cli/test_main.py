"""cli/main.py: what the exit code says, and that nobody ever sees a traceback."""

import os
import signal
import subprocess
import sys
import time

import pytest

import sparsebuild as package

BUG = """
import sys
from sparsebuild.cli import project
from sparsebuild.cli.main import run_command
project.open_project = lambda *_, **__: {}["our bug"]
sys.exit(run_command(sys.argv[1:]))
"""
SLOW = """
import sys, time
from sparsebuild.cli import project
from sparsebuild.cli.main import run_command
def wait(*_, **__):
    print("ready", flush=True)
    time.sleep(60)
project.open_project = wait
sys.exit(run_command(sys.argv[1:]))
"""


def test_version(process):
    assert (process("--version").out, process("-V").code) == (f"sparsebuild {package.__version__}\n", 0)


@pytest.mark.parametrize("words", [["frobnicate"], ["run", "--frobnicate"], ["why"], ["run", "--show", "loud"]])
def test_wrong_words_are_2(words, sparsebuild):
    ran = sparsebuild(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_no_project_is_2_and_says_what_to_do(tmp_path, sparsebuild):
    ran = sparsebuild("run", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: there is no `sparse.toml`\n\nhint: `sparsebuild init` writes a first one\n"


@pytest.mark.parametrize(
    "words", [["-C", "here", "status"], ["status", "-C", "here"], ["-C", "no", "status", "-C", "here"]]
)
def test_the_project_may_be_named_before_or_after_the_command(words, tmp_path, sparsebuild):
    ran = sparsebuild(*words, cwd=tmp_path)
    assert "there is no `here/sparse.toml`" in ran.err


def test_the_command_line_goes_before_the_environment(tmp_path, sparsebuild):
    ran = sparsebuild("-C", "here", "status", cwd=tmp_path, SPARSEBUILD_PROJECT="there")
    assert "there is no `here/sparse.toml`" in ran.err
    ran = sparsebuild("status", cwd=tmp_path, SPARSEBUILD_PROJECT="there")
    assert "there is no `there/sparse.toml`" in ran.err


def test_our_bug_is_70_with_a_report_and_no_traceback(tmp_path):
    (tmp_path / ".sparsebuild").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BUG, "status"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    reports = list((tmp_path / ".sparsebuild").glob("crash-*.txt"))
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    assert str(reports[0]) in done.stderr
    assert "KeyError: 'our bug'" in reports[0].read_text()
    assert "arguments: ['status']" in reports[0].read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_with_the_codes_of_shells(number, code):
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in err


def test_a_reader_that_has_gone_is_no_error_to_talk_about():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "sparsebuild", "schema"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_encoding_without_our_signs_is_no_failure(project, process):
    ran = process("recipe", "show", "recipe.yaml", cwd=project, PYTHONIOENCODING="ascii")
    assert (ran.code, ran.err) == (0, "")
    assert "?" in ran.out
