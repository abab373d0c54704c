"""Where a target's settings were written."""

import pytest

from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.manifest import Written, setting
from sparsebuild.origins import Documents, Laid, Origins

TEXT = """\
[data]
train = "a.jsonl"
[recipe]
args.end = 2.0
[train]
seed = 1
[gate]
f1 = ">= 0.4"
[profile.quick]
train.seed = 2
"""
SHA = "0" * 64
LOCK = Lock(
    sources=(
        LockedSource(
            name="data.train",
            kind="file-data",
            request="file:a.jsonl",
            files=(LockedFile(path="a.jsonl", size=1, sha256=SHA),),
        ),
    )
)
RECIPE = {"": {"": "r.yaml"}, "modifiers.M[0].end": {"": "r.yaml:7", "end": ""}, "modifiers.M[0].lr": {"": "r.yaml:8"}}


def origins(profile="", settings=(), before=None):
    written = Written(text=TEXT, profile=profile, settings=tuple(map(setting, settings)))
    documents = Documents(written=written, recipe=RECIPE, lock=LOCK, before=lambda target: before or Laid())
    return Origins(documents, "train", "train")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("seed", "sparse.toml:6"),
        ("gates.f1", "sparse.toml:8"),
        ('names."data.train"', "sparse.toml:2"),
        ("recipe.modifiers.M[0].lr", "r.yaml:8"),
        ("recipe.modifiers.M[0].end", "r.yaml:7, `end` in sparse.toml:4"),
        ("hidden_states", "r.yaml"),
        ("sources.data.train", "sparse.lock:5"),
        ("sources.data.train/a.jsonl", "sparse.lock:9"),
    ],
)
def test_a_setting_has_the_place_where_it_was_written(path, place):
    assert origins()[path] == place


@pytest.mark.parametrize("path", ["dropout", "sources.model", "sources.data.train/b.jsonl", "recipe.modifiers.N"])
def test_what_nobody_wrote_has_no_place(path):
    assert path not in origins()


def test_what_is_laid_over_the_file_is_the_place():
    assert origins(profile="quick")["seed"] == "sparse.toml:10"
    assert origins(profile="quick", settings=["train.seed=3"])["seed"] == "--set train.seed=3"
    told = origins(settings=["recipe.args.end=3.0"])["recipe.modifiers.M[0].end"]
    assert told == "r.yaml:7, `end` in --set recipe.args.end=3.0"


def test_what_was_laid_over_it_when_the_target_was_built_is_told_too():
    assert origins(before=Laid(settings=["train.seed=3"]))["seed"] == "sparse.toml:6, was --set train.seed=3"
    assert origins(before=Laid(settings=["train.dropout=0.1"]))["dropout"] == "was --set train.dropout=0.1"
    assert origins(before=Laid(profile="quick"))["seed"] == "sparse.toml:6, was in [profile.quick]"


def test_what_is_as_it_was_is_told_once():
    now = origins(profile="quick", settings=["train.dropout=0.1"], before=Laid(profile="quick"))
    assert now["seed"] == "sparse.toml:10"
    now = origins(settings=["train.seed=3"], before=Laid(settings=["train.seed=3"]))
    assert now["seed"] == "--set train.seed=3"


def test_what_a_variant_says_goes_before_the_file():
    text = TEXT + "[variant.a]\ntrain.seed = 3\nrecipe.args.end = 1.0\n"
    documents = Documents(written=Written(text=text), recipe=RECIPE, lock=LOCK)
    own, file = (Origins(documents, f"train{at}", "train", variant) for at, variant in (("@a", "a"), ("", "")))
    assert (own["seed"], file["seed"]) == ("sparse.toml:12", "sparse.toml:6")
    assert own["recipe.modifiers.M[0].end"] == "r.yaml:7, `end` in sparse.toml:13"
    assert own["gates.f1"] == file["gates.f1"] == "sparse.toml:8"
