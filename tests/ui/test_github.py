"""ui/github.py: errors and warnings beside the code."""

import io

from sparsebuild.errors import Position, Problem, UserError
from sparsebuild.events import Log
from sparsebuild.ui import errors, github

AT = Position(file="a,b/sparse.toml", line=12, column=3)


def test_an_error_has_its_place_and_stays_one_line():
    stream = io.StringIO()
    github.show(UserError(Problem(message="100 % wrong\n  really", position=AT, hint="write 1")), stream)
    assert stream.getvalue() == (
        "::error file=a%2Cb/sparse.toml,line=12,col=3::100 %25 wrong%0A  really%0Ahint: write 1\n"
    )


def test_a_warning_of_a_target_is_passed_on_and_nothing_else():
    stream = io.StringIO()
    fold = github.Annotations(stream)
    fold(Log(target="train", message="ranges are \x1b[31mfixed", level="warning"))
    fold(Log(target="train", message="all is well"))
    assert stream.getvalue() == "::warning::train: ranges are fixed\n"


def test_an_error_is_annotated_only_where_github_reads(monkeypatch):
    told = []
    for wanted in ("", "true"):
        monkeypatch.setenv("GITHUB_ACTIONS", wanted)
        stream = io.StringIO()
        errors.show(UserError("wrong"), stream)
        told.append(stream.getvalue())
    assert told == ["error: wrong\n", "error: wrong\n::error::wrong\n"]
