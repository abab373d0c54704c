"""What is laid over sparse.toml, and where each value then stands."""

import pytest

from sparsebuild.errors import ManifestError, UserError
from sparsebuild.manifest import Written, parse, setting
from sparsebuild.manifest.layers import lay

TEXT = """\
[project]
name = "p"
[model]
source = "models/m"
[data]
train = "a.jsonl"
validation = "b.jsonl"
[train]
seed = 1
[recipe]
source = "r.yaml"
args.lr = 0.5
[profile.quick.train]
seed = 2
num_train_epochs = 1
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("true", True),
        ('"3"', "3"),
        ('["a", "b"]', ["a", "b"]),
        ("{b = 1}", {"b": 1}),
        ("fp32", "fp32"),
        (">= 0.4", ">= 0.4"),
        ("pypi:m==1#folder", "pypi:m==1#folder"),
        ("3 # not a comment", "3 # not a comment"),
        ("1, 2", "1, 2"),
        ("1]\ny = [2", "1]\ny = [2"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_toml_or_else_text(text, value):
    assert setting(f"a={text}").value == value


@pytest.mark.parametrize(
    ("key", "path"),
    [("train.seed", ("train", "seed")), (" a . b ", ("a", "b")), ('recipe.args."a b"', ("recipe", "args", "a b"))],
)
def test_a_key_is_read_as_toml_reads_it(key, path):
    assert setting(f"{key}=1").path == path


@pytest.mark.parametrize("text", ["", "a", "=1", "a=", "a b=1", "a.=1", "[a]\nb=1", "a\nb=1"])
def test_what_is_not_key_and_value_is_refused(text):
    with pytest.raises(UserError, match="is not KEY=VALUE"):
        setting(text)


def test_a_setting_may_be_a_list_and_is_still_a_key_of_its_own():
    said = setting('bench.shapes=["1x8"]')
    assert {said: 1}[setting('bench.shapes=["1x8"]')] == 1


def test_the_later_wins_key_by_key():
    settings = ("train.seed=3", "recipe.args.lr=0.1", "recipe.args.n=2", "train.seed=4")
    manifest = parse(TEXT, profile="quick", settings=settings)
    assert (manifest.train.seed, manifest.train.num_train_epochs) == (4, 1)
    assert manifest.recipe.args == {"lr": 0.1, "n": 2}
    assert parse(TEXT).train.seed == 1


def test_a_table_is_laid_over_the_short_word_for_one():
    assert lay({"teacher": "disable"}, {"teacher": {"x": 1}}) == {"teacher": {"source": "disable", "x": 1}}


def test_what_is_laid_over_is_not_changed():
    below, above = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert lay(below, above, (setting("a.d=3"),)) == {"a": {"b": 1, "c": 2, "d": 3}}
    assert (below, above) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_each_value_knows_where_it_was_written():
    written = Written(text=TEXT, profile="quick", settings=(setting("train.bf16=true"),))
    assert written.where(("train", "seed")) == "sparse.toml:14"
    assert written.where(("data", "train")) == "sparse.toml:6"
    assert written.where(("train", "bf16")) == "--set train.bf16=true"
    assert written.where(("train", "dropout")) == ""
    assert {"train.seed", "train.bf16", "train.num_train_epochs"} <= set(written.paths())


def test_a_set_that_is_wrong_is_named_with_what_was_meant():
    with pytest.raises(ManifestError) as caught:
        parse(TEXT, settings=("train.sed=1", "train.seed=x", "seed=3", "epochs=3", "PROJECT=3"))
    assert [(p.message, p.hint) for p in caught.value.problems] == [
        ('`train.seed` must be a whole number, found "x" in `--set train.seed=x`', ""),
        ("unknown key `train.sed` in `--set train.sed=1`", "did you mean `seed`?"),
        ("unknown key `seed` in `--set seed=3`", "did you mean `train.seed`?"),
        ("unknown key `epochs` in `--set epochs=3`", "did you mean `train.num_train_epochs`?"),
        ("unknown key `PROJECT` in `--set PROJECT=3`", "did you mean `project`?"),
    ]


def test_an_unknown_profile_is_refused_with_the_ones_there_are():
    with pytest.raises(ManifestError) as caught:
        parse(TEXT, profile="slow")
    assert str(caught.value) == "error: there is no profile `slow` in `sparse.toml`\n\nhint: there are: quick"


@pytest.mark.parametrize("text", ["profile = 3\n", "profile.quick = 3\n"])
def test_a_profile_is_a_table(text):
    with pytest.raises(ManifestError, match=r"must (hold tables|be a table)"):
        parse(text + TEXT.partition("[profile")[0])


def test_a_profile_that_makes_the_file_whole_may_be_needed():
    text = TEXT.replace('[model]\nsource = "models/m"\n', "") + '[profile.big.model]\nsource = "models/b"\n'
    assert parse(text, profile="big").model.source == "models/b"
    with pytest.raises(ManifestError, match="is missing"):
        parse(text)


def test_a_profile_cannot_be_set():
    with pytest.raises(UserError, match=r"what a profile says cannot be set\n\nhint: choose one with `--profile NAME`"):
        setting("profile.quick.train.seed=9")
