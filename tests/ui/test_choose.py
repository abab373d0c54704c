"""ui/__init__.py: which fold a stream gets."""

import io

import pytest

from sparsebuild.ui import choose
from sparsebuild.ui.jsonl import JsonLines
from sparsebuild.ui.late import Late
from sparsebuild.ui.plain import Plain, Quiet


@pytest.mark.parametrize(
    ("environment", "fold"),
    [
        ({"TERM": "xterm"}, Late),
        ({}, Late),
        ({"TERM": "dumb"}, Plain),
        ({"CI": "true"}, Plain),
        ({"CI": "false"}, Late),
        ({"NO_COLOR": "1"}, Late),
    ],
)
def test_a_terminal_is_drawn_on_where_somebody_looks(environment, fold, terminal):
    assert isinstance(choose(terminal, "auto", environment), fold)


def test_a_file_gets_lines():
    assert isinstance(choose(io.StringIO(), "auto", {"FORCE_COLOR": "1"}), Plain)


@pytest.mark.parametrize(("mode", "fold"), [("plain", Plain), ("quiet", Quiet), ("jsonl", JsonLines), ("live", Late)])
def test_what_was_asked_for_is_given(mode, fold, terminal):
    assert isinstance(choose(terminal, mode, {}), fold)
