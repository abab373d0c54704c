"""Orders, cycles, and how people name parts of a graph."""

from dataclasses import replace

import pytest

from sparsebuild.engine.action import Action, Input
from sparsebuild.engine.graph import Graph
from sparsebuild.errors import UserError


def graph(**needs):
    return Graph(action(name.replace("_", "@"), *upstream) for name, upstream in needs.items())


def action(name, *upstream, folder=""):
    inputs = tuple(Input(name=up.replace("_", "@"), action=up.replace("_", "@")) for up in upstream)
    return Action(name=name, step="s", folder=folder or f"build/{name}", inputs=inputs)


DEFAULT = graph(
    fetch_model=[],
    fetch_data=[],
    prepare=["fetch_data"],
    train=["prepare", "fetch_model"],
    eval=["train"],
    export=["train"],
    gate=["export", "eval"],
)


def test_order_is_the_given_one_where_that_is_possible():
    assert DEFAULT.names == ("fetch@model", "fetch@data", "prepare", "train", "eval", "export", "gate")
    assert graph(c=["b"], b=["a"], a=[], d=[]).names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ([], "fetch@model fetch@data prepare train eval export gate"),
        (["prepare"], "fetch@data prepare"),
        (["+prepare"], "fetch@data prepare"),
        (["eval", "fetch@data"], "fetch@model fetch@data prepare train eval"),
        (["export+"], "fetch@model fetch@data prepare train eval export gate"),
        (["eval+"], "fetch@model fetch@data prepare train eval export gate"),
        (["fetch"], "fetch@model fetch@data"),
        (["f*a"], "fetch@data"),
        (["fetch@????"], "fetch@data"),
    ],
)
def test_select(targets, names):
    assert DEFAULT.select(iter(targets)) == tuple(names.split())


def test_what_a_target_names_is_told_without_what_it_needs():
    assert DEFAULT.named("export+") == ("export", "gate")
    assert DEFAULT.all_named(["fetch", "eval+"]) == {"fetch@model", "fetch@data", "eval", "gate"}


def test_what_is_on_demand_is_built_where_it_is_named_or_needed():
    extra = replace(action("bench", "export"), on_demand=True)
    drawn = Graph([*DEFAULT, extra, action("needs", "bench")])
    assert "bench" not in Graph([*DEFAULT, extra]).select()
    assert "bench" not in Graph([*DEFAULT, extra]).select(["export+"])
    assert "bench" in drawn.select()
    assert Graph([*DEFAULT, extra]).select(["bench"])[-1] == "bench"
    assert Graph([*DEFAULT, extra]).usual == DEFAULT.names


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("trian", "error: no target is called `trian`\n\nhint: did you mean `train`?"),
        (
            "x*",
            "error: no target is called `x*`\n\n"
            "hint: there are: fetch@model, fetch@data, prepare, train, eval, export, gate",
        ),
    ],
)
def test_unknown_target(target, text):
    with pytest.raises(UserError) as error:
        DEFAULT.select([target])
    assert str(error.value) == text


def test_neighbours():
    assert DEFAULT.needs("train") == ("prepare", "fetch@model")
    assert DEFAULT.users("train") == ("eval", "export")


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        ([action("a", "b"), action("b", "c"), action("c", "a")], "error: targets need each other: "),
        ([action("a", "a")], "error: targets need each other: a → a"),
        (
            [action("train"), action("b", "trian")],
            "error: `b` needs `trian`, which is no target\n\nhint: did you mean `train`?",
        ),
        ([action("a"), action("a")], "error: two targets are called `a`"),
        (
            [action("a", folder="build/x"), action("b", folder="build/x/y")],
            "error: `b` would write into the folder of `a`: build/x/y",
        ),
        (
            [action("a", folder="build/x"), action("b", folder="build/x")],
            "error: `b` would write into the folder of `a`: build/x",
        ),
    ],
)
def test_what_is_no_graph(actions, text):
    with pytest.raises(UserError) as error:
        Graph(actions)
    assert str(error.value).startswith(text)


def test_neighbouring_folders_are_fine():
    Graph([action("a", folder="build/x"), action("b", folder="build/x-y"), action("c", folder="build/x.y")])


def test_a_long_chain_needs_no_deep_stack():
    chain = Graph(action(f"a{n}", *([f"a{n + 1}"] if n < 2000 else [])) for n in range(2001))
    assert len(chain.select(["a0"])) == 2001


@pytest.mark.parametrize("name", ["", "+a", "a/b", "a*", "-a", "a b", "../a"])
def test_names_that_cannot_be(name):
    with pytest.raises(ValueError, match="cannot be called"):
        action(name)


@pytest.mark.parametrize("folder", ["/etc", "../x", "build/../../x", "."])
def test_folders_that_cannot_be(folder):
    with pytest.raises(ValueError, match="must be inside the project"):
        action("a", folder=folder)
