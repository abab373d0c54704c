"""cli/comparison.py and ui/comparison.py: what differs between two builds, and how it is told."""

import io

import pytest

from sparsebuild.cli.comparison import Side, compare, settings_of
from sparsebuild.cli.measured import Left
from sparsebuild.engine.action import File
from sparsebuild.manifest import parse
from sparsebuild.ui import comparison

MANIFEST = """
[project]
name = "tiny"
[model]
source = "model"
[data]
train = "a.jsonl"
validation = "b.jsonl"
"""


def left(sha256, is_current=True, **figures):
    return Left(files=(File(path="f", size=7, sha256=sha256),), figures=figures, seconds=2, is_current=is_current)


def side(name="old", more="", lefts=None, **rest):
    settings, chosen = settings_of(parse(MANIFEST + more))
    return Side(name=name, settings=settings, chosen=chosen, lock=None, left=lefts, **rest)


def shown(found):
    stream = io.StringIO()
    comparison.show(found, stream)
    return stream.getvalue()


def test_a_setting_left_at_its_default_is_told_by_its_value():
    found = compare(side(), side(more="[train]\nseed = 7"))
    assert [(c.subject, c.old, c.new) for c in found.settings] == [("train.seed", 42, 7)]


def test_a_table_that_came_brings_what_is_set_in_it_and_not_its_defaults():
    more = '[teacher]\nsource = "target:teacher"\n[teacher.train]\nfrom = "big"\nseed = 1'
    found = compare(side(), side(more=more))
    assert {c.subject: c.new for c in found.settings} == {
        "teacher.source": "target:teacher",
        "teacher.train.from": "big",
        "teacher.train.seed": 1,
    }


@pytest.mark.parametrize("more", ["", "# a comment", "[train]\nseed = 42"])
def test_what_means_the_same_is_no_difference(more):
    found = compare(side(lefts={"train": left("aa")}), side("new", more, lefts={"train": left("aa")}))
    assert (found.is_empty, shown(found)) == (True, "old → new\nno difference\n")


def test_targets_are_compared_by_their_bytes():
    old = {"same": left("aa"), "other": left("aa", f1=0.5), "gone": left("aa"), "lost": None}
    new = {"same": left("aa"), "other": left("bb", f1=0.75), "lost": left("bb"), "came": left("bb", is_current=False)}
    found = compare(side(lefts=old), side("new", lefts=new))
    assert {t.name: t.state for t in found.targets} == {
        "same": "same",
        "other": "changed",
        "lost": "unknown",
        "came": "added",
        "gone": "removed",
    }
    assert shown(found) == (
        "old → new\n"
        "\n"
        "targets\n"
        "  other  other bytes  7 B  2.0 s\n"
        "  came   only in new  7 B  2.0 s\n"
        "  gone   only in old  7 B  2.0 s\n"
        "\n"
        "figures\n"
        "  other  f1  0.5 → 0.75  +0.25\n"
        "\n"
        "the same bytes: same\n"
        "not known of old: lost\n"
        "not up to date in new: came\n"
    )


def test_a_side_without_a_graph_is_unknown_and_says_why():
    found = compare(side(note="old has no sparse.lock"), side("new", lefts={"train": left("aa")}))
    assert [target.state for target in found.targets] == ["unknown"]
    assert shown(found) == "old → new\n\nnote: old has no sparse.lock\nnot known of old: train\n"


def test_figures_that_are_printed_alike_are_told_in_full():
    old, new = {"eval": left("aa", f1=0.12345678)}, {"eval": left("bb", f1=0.12345679)}
    assert "0.12345678 → 0.12345679" in shown(compare(side(lefts=old), side("new", lefts=new)))
