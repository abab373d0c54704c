"""What a person sees of the file."""

from sparsebuild.manifest import problem_at
from sparsebuild.manifest.frame import frame_between

TEXT = "[a]\n\n\tkey = [1,\n2]\r\nlast = 3"


def test_tabs_stay_tabs_and_empty_neighbours_are_left_out():
    start = TEXT.index("[1")
    assert frame_between(TEXT, start, TEXT.index("]\r") + 1) == "  3 | \tkey = [1,\n    | \t      ^^^\n  4 | 2]"


def test_line_numbers_are_as_wide_as_the_widest():
    text = "x = 1\n" * 10
    start = text.index("x", 48)
    assert frame_between(text, start, start + 1) == "   8 | x = 1\n   9 | x = 1\n     | ^\n  10 | x = 1"


def test_a_problem_found_after_reading_points_at_its_key():
    problem = problem_at(TEXT, ("a", "last"), "`a.last` is too large", hint="write 2", file="x.toml")
    assert str(problem) == (
        "error: `a.last` is too large\n  --> x.toml:5:8\n  4 | 2]\n  5 | last = 3\n    |        ^\n\nhint: write 2"
    )


def test_a_problem_without_a_place_has_none():
    assert str(problem_at(TEXT, ("b", "c"), "no")) == "error: no"
