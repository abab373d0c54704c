"""Which files are which split, and that a hostile card is a card that says nothing."""

import pytest

from sparsebuild.errors import SourceUnavailable, UserError
from sparsebuild.providers.splits import Card, pick, read_card


def card(yaml):
    return read_card(f"---\n{yaml}\n---\n# a dataset\n")


@pytest.mark.parametrize(
    ("paths", "split", "chosen"),
    [
        (["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-0.parquet"], "train", 2),
        (["dev.jsonl", "train.jsonl"], "validation", 1),
        (["validation/0.csv", "validation/1.csv", "train/0.csv"], "validation", 2),
        (["a.jsonl", "b.jsonl"], "train", 2),
        (["train.jsonl", "train.parquet", "test.parquet"], "train", 1),
        (["my_eval_set.json", "training.json"], "test", 1),
        (["train.jsonl.gz", "train-2.jsonl.gz", "train.json"], "train", 2),
        (["train.conll", "dev.conll", "README.md"], "validation", 1),
    ],
)
def test_names_say_what_is_what(paths, split, chosen):
    assert len(pick(paths, Card(), "", split).files) == chosen


def test_what_holds_no_rows_is_left_out():
    paths = ["train.jsonl", "README.md", "dataset_infos.json", ".hidden/train.jsonl", "train.py"]
    assert pick(paths, Card(), "", "train").files == ("train.jsonl",)


@pytest.mark.parametrize(
    "data_files",
    [
        "data_files: 'a/*.csv'",
        "data_files: ['a/1.csv', 'a/2.csv']",
        "data_files: {train: 'a/*.csv'}",
        "data_files: [{split: train, path: ['a/?.csv']}]",
        "data_files: [{split: train, path: '**/*.csv'}]",
        "data_dir: a",
    ],
)
def test_every_form_of_a_config(data_files):
    found = pick(["a/1.csv", "a/2.csv", "b.json"], card(f"configs:\n- config_name: x\n  {data_files}"), "", "train")
    assert found.files == ("a/1.csv", "a/2.csv")


def test_the_default_config_is_taken_and_others_by_name():
    said = card("configs: [{config_name: a, data_files: a.csv}, {config_name: b, data_files: b.csv, default: true}]")
    assert pick(["a.csv", "b.csv"], said, "", "train").files == ("b.csv",)
    assert pick(["a.csv", "b.csv"], said, "a", "train").files == ("a.csv",)
    with pytest.raises(UserError, match="it has no config `c`; there are: a, b"):
        pick(["a.csv", "b.csv"], said, "c", "train")


@pytest.mark.parametrize(
    "feature",
    [
        "sequence: {class_label: {names: {'0': O, '1': B-X}}}",
        "list: {class_label: {names: [O, B-X]}}",
        "dtype: {class_label: {names: {0: O, 1: B-X}}}",
    ],
)
def test_every_form_of_class_labels(feature):
    said = card(f"dataset_info: {{features: [{{name: tags, {feature}}}, {{name: id, dtype: string}}]}}")
    assert pick(["train.csv"], said, "", "train").labels == {"tags": ("O", "B-X")}


@pytest.mark.parametrize(
    ("configs", "named", "asked", "labels"),
    [
        ("one two", "config_name: one, ", "one", ("O", "B-X")),
        ("one two", "config_name: one, ", "two", None),
        ("one two", "", "two", ("O", "B-X")),
        ("two", "config_name: one, ", "two", ("O", "B-X")),
        ("", "config_name: one, ", "", ("O", "B-X")),
    ],
)
def test_class_labels_of_one_config_are_not_those_of_another(configs, named, asked, labels):
    listed = ", ".join(f"{{config_name: {name}, data_files: {name}.csv}}" for name in configs.split())
    features = "features: [{name: tags, sequence: {class_label: {names: [O, B-X]}}}]"
    said = card(f"configs: [{listed}]\ndataset_info: {{{named}{features}}}")
    assert pick(["one.csv", "two.csv"], said, asked, "train").labels.get("tags") == labels


def test_class_labels_of_one_config_are_not_those_of_another_that_the_hub_converted():
    said = card("dataset_info: {config_name: one, features: [{name: tags, dtype: {class_label: {names: [O, B-X]}}}]}")
    paths = [f"{config}/train/0.parquet" for config in ("one", "two")]
    found = [pick(paths, said, config, "train", converted=True).labels for config in ("one", "two")]
    assert found == [{"tags": ("O", "B-X")}, {}]


def test_half_of_a_conversion_is_refused():
    with pytest.raises(SourceUnavailable, match="converted only a part"):
        pick(["default/partial-train/0000.parquet"], Card(), "", "train", converted=True)


MERGES = "a: &a {x: 1}\n" + "".join(
    f"{key}: &{key} {{<<: [{', '.join([f'*{chr(ord(key) - 1)}'] * 9)}]}}\n" for key in "bcdefghijkl"
)


@pytest.mark.parametrize(
    "yaml",
    [
        MERGES,
        "a: " + "[" * 50_000,
        "{a: " * 900,
        "a: " + "9" * 100_000,
        "!!python/object/apply:os.system [x]",
        "a: b: c",
    ],
    ids=["merges of merges", "deep", "deep too", "digits", "python", "no yaml"],
)
def test_a_hostile_card_says_nothing(yaml):
    assert card(yaml) == Card()


def test_a_pattern_of_many_stars_costs_nothing_and_leads_nowhere_else():
    stars = "/".join(["**", "*"] * 30)
    for pattern in (stars, "*" * 150, "../*.csv", "/etc/*.csv", "hf://datasets/other/x.csv"):
        said = card(f"configs: [{{config_name: x, data_files: '{pattern}'}}]")
        with pytest.raises(UserError, match="it has no split"):
            pick(["a/b.csv"], said, "", "train")
