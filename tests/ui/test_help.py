"""ui/help.py: the help of a command."""

import io

from sparsebuild.ui import help as helps

PANELS = {"Options": [("-q, --quiet", "Say less."), ("--a-name-that-is-longer-than-others NAME", "What it means.")]}


class Utf8(io.StringIO):
    encoding = "utf-8"


def page(stream):
    return helps.page("Usage: tool [OPTIONS]", "Build things.", PANELS, "Start here.", stream).splitlines()


def test_panels_hold_names_and_meanings():
    lines = page(Utf8())
    assert lines[:5] == ["", " Usage: tool [OPTIONS]", "", " Build things.", ""]
    assert [line.strip("│ ─╭╮╰╯").split() for line in lines[5:10]] == [
        ["Options"],
        ["-q,", "--quiet", "Say", "less."],
        ["--a-name-that-is-longer-than-others", "NAME"],
        ["What", "it", "means."],
        [],
    ]
    assert {len(line) for line in lines[5:10]} == {80}
    assert lines[-1] == " Start here."


def test_a_stream_without_our_signs_gets_plain_ones():
    assert "\n".join(page(io.StringIO())).isascii()


def test_a_terminal_has_colours(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;36m-q, --quiet\x1b[0m" in "\n".join(page(terminal))
