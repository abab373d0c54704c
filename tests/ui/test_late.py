"""ui/late.py: drawing begins with the first change."""

import subprocess
import sys

from sparsebuild.events import RunFinished, RunStarted, TargetDecided, TargetFinished, TargetStarted
from sparsebuild.ui.late import Late

NOTHING = [
    RunStarted(project="p", targets=("a",)),
    TargetDecided(target="a", verdict="fresh"),
    TargetFinished(target="a", outcome="fresh"),
    RunFinished(seconds=0.1, outcomes={"a": "fresh"}),
]


def test_a_run_with_nothing_to_do_is_one_line(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    fold = Late(terminal)
    for event in NOTHING:
        fold(event)
    fold.close()
    assert terminal.getvalue() == "nothing to do: 1 target up to date (0.1 s)\n"


def test_a_change_is_drawn(terminal):
    fold = Late(terminal)
    fold(TargetDecided(target="a", verdict="stale", reasons=("never built",)))
    fold(TargetStarted(target="a"))
    fold(TargetFinished(target="a", outcome="built", seconds=1))
    fold.close()
    assert "never built" in terminal.getvalue()
    assert "built in 1.0 s" in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")  # the cursor is there again


def test_without_a_change_rich_is_not_imported():
    code = (
        "import sys\n"
        "from sparsebuild.events import *\n"
        "from sparsebuild.ui.late import Late\n"
        "fold = Late(sys.stdout)\n"
        f"for event in {NOTHING!r}: fold(event)\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
