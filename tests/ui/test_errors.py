"""ui/errors.py: an error as people see it."""

import io

from sparsebuild.errors import ManifestError, Position, Problem
from sparsebuild.ui import errors

PROBLEM = Problem(
    message="`train.seed` must be a number, found [bold]\x1b[31mx[/bold]",
    position=Position(file="sparse.toml", line=12, column=8),
    frame="11 | [train]\n12 | seed = 'x'\n   |        ^^^",
    hint="write `seed = 42`",
)


def test_without_colour_it_is_the_text_of_the_problem():
    assert errors.draw(PROBLEM).plain == str(PROBLEM).replace("\x1b[31m", "")


def test_all_problems_are_shown_with_a_line_between():
    stream = io.StringIO()
    errors.show(ManifestError("one", PROBLEM), stream)
    assert stream.getvalue() == f"error: one\n\n{errors.draw(PROBLEM).plain}\n"


def test_a_long_line_is_not_folded_in_a_pipe():
    stream = io.StringIO()
    errors.show(ManifestError("word " * 100), stream)
    assert len(stream.getvalue().splitlines()) == 1


def test_colour_marks_the_place(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    errors.show(ManifestError(PROBLEM), terminal)
    text = terminal.getvalue()
    assert "\x1b[1;31merror\x1b[0m" in text
    assert "\x1b[1;31m        ^^^\x1b[0m" in text
    assert "\x1b[1m`train.seed`\x1b[0m" in text


def test_no_color_is_honoured(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    errors.show(ManifestError("one"), terminal)
    assert "\x1b[1;31m" not in terminal.getvalue()
