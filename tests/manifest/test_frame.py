"""What a person sees of the file."""

from sparsebuild.manifest import Written, problem_at, setting
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
    problem = problem_at(Written(text=TEXT, file="x.toml"), ("a", "last"), "`a.last` is too large", hint="write 2")
    assert str(problem) == (
        "error: `a.last` is too large\n  --> x.toml:5:8\n  4 | 2]\n  5 | last = 3\n    |        ^\n\nhint: write 2"
    )


def test_a_problem_without_a_place_has_none():
    assert str(problem_at(Written(text=TEXT), ("b", "c"), "no")) == "error: no"


def test_a_problem_of_a_set_names_it():
    written = Written(text=TEXT, settings=(setting("a.last=4"),))
    assert str(problem_at(written, ("a", "last"), "no")) == "error: no in `--set a.last=4`"
