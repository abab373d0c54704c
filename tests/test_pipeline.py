"""What the graph takes from the lock of a dataset."""

from sparsebuild.lock import Lock, LockedFile, LockedSource
from sparsebuild.manifest import parse
from sparsebuild.pipeline import graph

MANIFEST = """\
[project]
name = "p"

[model]
source = "hf:org/model"

[data]
source = "hf:org/rows"
"""
FILES = (LockedFile(path="a.jsonl", size=1, sha256="a" * 64),)


def lock(has_test):
    sources = [LockedSource(name="model", kind="hf-model", request="hf:org/model", files=FILES)]
    for split in ("train", "validation", "test"):
        files = FILES if split != "test" or has_test else ()
        request, labels = f"hf:org/rows?split={split}", {"ner_tags": ("O", "B-X")} if files else {}
        sources.append(LockedSource(name=f"data.{split}", kind="hf-data", request=request, labels=labels, files=files))
    return Lock(sources=tuple(sources))


def prepare(manifest, has_test=True):
    return graph(parse(manifest), lock(has_test))["prepare"]


def test_class_labels_of_the_dataset_are_the_label_table_unless_the_user_has_one():
    assert prepare(MANIFEST).params["labels"] == ["O", "B-X"]
    assert prepare(MANIFEST + 'labels = ["B-X", "O"]\n').params["labels"] == ["B-X", "O"]
    assert "labels" not in prepare(MANIFEST + 'label_column = "tags"\n').params


def test_a_split_that_is_not_there_is_neither_fetched_nor_measured():
    made = {has: graph(parse(MANIFEST), lock(has)) for has in (True, False)}
    assert {action.name for action in made[True]} - {action.name for action in made[False]} == {"fetch@data.test"}
    judged = {has: {i.path for i in made[has]["eval"].inputs} for has in made}
    assert judged[True] - judged[False] == {"test"}
