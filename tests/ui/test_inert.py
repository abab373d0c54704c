"""ui/inert.py: nothing that others wrote is obeyed by a terminal."""

import pytest

from sparsebuild.ui.inert import inert, one_line


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a new title\x07name", "name"),
        ("\x1b]8;;http://a.b\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bcreset", "reset"),
        ("a\rb\x08c\x00", "abc"),
        ("\x9b31mc1", "31mc1"),
        ("file\u202etxt.exe", "filetxt.exe"),
        ("lines\nand\ttabs stay: ü 人 👩‍🔬", "lines\nand\ttabs stay: ü 人 👩‍🔬"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text, left):
    assert inert(text) == left


def test_one_line_has_no_second_line():
    assert one_line("two\n  lines\x1b[2J\n") == "two lines"
