"""ui/table.py: words in columns."""

import io

import pytest

from sparsebuild.ui import table
from sparsebuild.ui.table import Cell

ROWS = [("train", Cell("stale", "yellow"), "12"), ("模型", Cell("fresh", "green"), "7")]


def drawn(stream, *given, **more):
    table.write(*given, stream, **more)
    return stream.getvalue().splitlines()


def test_columns_are_as_wide_as_what_they_hold():
    assert drawn(io.StringIO(), ROWS, heads=("name", "state", "s"), right=(2,)) == [
        "name   state   s",
        "────────────────",
        "train  stale  12",
        "模型   fresh   7",
    ]


def test_a_terminal_has_colours_and_an_end(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines = drawn(terminal, [(Cell("a", "bold red"), "one two three four five six seven")])
    assert lines == ["\x1b[1;31ma\x1b[0m  one two three four five six", "   seven"]


def test_on_a_narrow_terminal_a_last_column_may_be_empty(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    assert drawn(terminal, [("fetch@data.validation", "")]) == ["fetch@data.validation"]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_stay_away_where_nobody_wants_them(name, value, terminal, monkeypatch):
    monkeypatch.setenv(name, value)
    assert drawn(terminal, [(Cell("a", "red"), "b")]) == ["a  b"]


def test_what_a_terminal_would_obey_is_taken_out():
    assert drawn(io.StringIO(), [("a\x1b[2J\nb", "c")]) == ["a b  c"]


def test_no_rows_are_no_lines():
    assert drawn(io.StringIO(), []) == []
