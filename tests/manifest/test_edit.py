"""manifest/edit.py: a value is changed, and every other line stays as it was."""

import pytest
import tomli

from sparsebuild.errors import UserError
from sparsebuild.manifest.edit import edited

WHOLE = """\
# A project.
[model] # the student
source = "old"   # chosen in May
trust = "pickle"

# about the rows
[data]
train = "a.jsonl" # rows

  [recipe.args]
  epochs = 3
# the end"""


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("model.source", 'source = "old"   # chosen in May', 'source = "x"   # chosen in May'),
        ("data.test", 'train = "a.jsonl" # rows', 'train = "a.jsonl" # rows\ntest = "x"'),
        ("recipe.source", "# the end", '# the end\n\n[recipe]\nsource = "x"\n'),
        ("teacher.train.from", "# the end", '# the end\n\n[teacher.train]\nfrom = "x"\n'),
        ("recipe.args.more", "  epochs = 3", '  epochs = 3\n  more = "x"'),
    ],
)
def test_only_what_is_asked_for_changes(path, old, new):
    assert edited(WHOLE, {tuple(path.split(".")): "x"}) == WHOLE.replace(old, new)


def test_a_key_is_taken_out_with_its_line():
    assert edited(WHOLE, {("model", "trust"): None, ("data", "trust"): None}) == WHOLE.replace('trust = "pickle"\n', "")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[model]\nsource = "x"\n'),
        ("[model]\r\n# none yet\r\n", '[model]\r\nsource = "x"\r\n# none yet\r\n'),
        ("[model]", '[model]\nsource = "x"'),
        ("model.source = 'y' # why", 'model.source = "x" # why'),
        ("model.trust = 'y'", "model.trust = 'y'\nmodel.source = \"x\""),
        ("model = {} # none", 'model = { source = "x" } # none'),
        ("model = {trust = 'y' } # one", "model = {trust = 'y', source = \"x\" } # one"),
        ('model = "disable"\n[data]\na = 1\n', '[data]\na = 1\n\n[model]\nsource = "x"\n'),
        ('[model]\nsource = """\ny"""\n', '[model]\nsource = "x"\n'),
        ("[profile.q.model]\nsource = 'z'\n", "[profile.q.model]\nsource = 'z'\n\n[model]\nsource = \"x\"\n"),
    ],
)
def test_however_it_is_written(before, after):
    assert edited(before, {("model", "source"): "x"}) == after


def test_odd_keys_and_values_are_quoted():
    path, value = ("sources", "zoo", 'zoo:a/b "c"'), 'tab\t"quote" \\ ü'
    assert tomli.loads(edited("", {path: value})) == {"sources": {"zoo": {path[2]: value}}}


def test_what_cannot_be_kept_is_refused_with_the_line_to_write():
    with pytest.raises(UserError) as error:
        edited("[[model]]\nsource = 'y'\n", {("model", "source"): "x"})
    assert str(error.value) == (
        "error: sparse.toml is written in a way that could not be kept\n\n"
        'hint: write it yourself:\n\n    model.source = "x"'
    )
