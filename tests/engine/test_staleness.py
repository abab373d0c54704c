"""Why an action has to run again, as a table: what changed, and the sentence."""

from dataclasses import replace

import pytest

from sparsebuild.engine import fingerprint, outputs
from sparsebuild.engine.action import Action, File, Input
from sparsebuild.engine.record import Record
from sparsebuild.engine.staleness import Present, reasons


def file(path, letter):
    return File(path=path, size=1, sha256=letter * 64)


ACTION = Action(
    name="train",
    step="train",
    folder="build/train",
    version=3,
    params={"export": {"scheme": "portable", "opset": 20}, "layers": [1, 2], "a b": None},
    inputs=(Input(name="model", action="fetch@model"),),
    sources={"data.train": (file("train.jsonl", "d"),), "recipe": "e" * 64},
    libraries={"torch": "2.12"},
    origins={"export.scheme": "sparse.toml:31", "layers": "sparse.toml:7"},
)
INPUTS = {"model": (file("config.json", "a"), file("model.safetensors", "b"))}
OUTPUTS = (file("model.onnx", "0"), file("report.json", "1"))
THERE = Present(files={"model.onnx": "0" * 64, "report.json": "1" * 64})


def record(action=ACTION, inputs=INPUTS):
    document = fingerprint.document(action, {name: outputs.digest(files) for name, files in inputs.items()})
    return Record(
        document=document, fingerprint=fingerprint.fingerprint(document), outputs=OUTPUTS, inputs=dict(inputs)
    )


def told(action=ACTION, inputs=INPUTS, old=None, present=THERE, forced=False):
    return [str(reason) for reason in reasons(action, inputs, old or record(), present, forced=forced)]


def params(**changes):
    return replace(ACTION, params={**ACTION.params, **changes})


def test_nothing_changed():
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"export": {"scheme": "fp32", "opset": 20}}, '`export.scheme` changed: "portable" → "fp32" (sparse.toml:31)'),
        ({"export": {"scheme": "portable"}}, "`export.opset` is gone, was 20"),
        ({"export": 1}, '`export` changed: {"scheme": "portable", "opset": 20} → 1'),
        ({"seed": 1.5}, "`seed` was added: 1.5"),
        ({"a b": True}, '`"a b"` changed: null → true'),
        ({"layers": [1, 3]}, "`layers[1]` changed: 2 → 3 (sparse.toml:7)"),
        ({"layers": [1.0, 2]}, "`layers[0]` changed: 1 → 1.0 (sparse.toml:7)"),
        ({"layers": [1]}, "`layers` changed: [1, 2] → [1] (sparse.toml:7)"),
        ({"layers": [True, 2]}, "`layers[0]` changed: 1 → true (sparse.toml:7)"),
        ({"long": "x" * 99}, f'`long` was added: "{"x" * 58}…'),
    ],
)
def test_params_are_told_by_key_path(changes, sentence):
    assert told(params(**changes)) == [sentence]


def test_a_tuple_is_the_list_that_it_was_stored_as():
    assert told(params(layers=(1, 2))) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"step": "tune"}, "the step changed: `train` → `tune`"),
        ({"version": 4}, "step `train` changed: version 3 → 4"),
        ({"libraries": {"torch": "2.13"}}, "library torch changed: 2.12 → 2.13"),
        ({"libraries": {"torch": "2.12", "onnx": "1.2"}}, "library onnx was added: 1.2"),
        ({"libraries": {}}, "library torch is gone, was 2.12"),
        (
            {"sources": {**ACTION.sources, "data.train": (file("train.jsonl", "f"),)}},
            "source `data.train` changed: train.jsonl sha256 dddddddd… → ffffffff…",
        ),
        (
            {"sources": {**ACTION.sources, "recipe": "f" * 64}},
            "source `recipe` changed: sha256 eeeeeeee… → sha256 ffffffff…",
        ),
        ({"sources": {"recipe": "e" * 64}}, "source `data.train` is gone, was 1 file"),
        ({"sources": {**ACTION.sources, "teacher": "f" * 64}}, "source `teacher` was added: sha256 ffffffff…"),
    ],
)
def test_what_else_counts(changes, sentence):
    assert told(replace(ACTION, **changes)) == [sentence]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"folder": "build/other"},
        {"origins": {}},
        {"where": "inline"},
        {"inputs": (Input(name="model", action="elsewhere", path="deep"),)},
    ],
)
def test_what_never_counts(changes):
    assert told(replace(ACTION, **changes)) == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            (file("config.json", "a"), file("model.safetensors", "c")),
            "input `model` changed: model.safetensors sha256 bbbbbbbb… → cccccccc…",
        ),
        ((file("config.json", "a"),), "input `model` changed: model.safetensors is gone"),
        (
            (*INPUTS["model"], *(file(f"{n}", "f") for n in range(5))),
            "input `model` changed: 0 was added, 1 was added, 2 was added, and 2 more",
        ),
    ],
)
def test_inputs_are_told_by_file(files, sentence):
    assert told(inputs={"model": files}) == [sentence]


def test_another_set_of_inputs_is_told():
    assert told(inputs={**INPUTS, "teacher": OUTPUTS})[0].startswith("input `teacher` was added: sha256 ")
    assert told(inputs={})[0].startswith("input `model` is gone, was sha256 ")


def test_inputs_that_nobody_knows_yet_are_no_reason():
    assert told(inputs={"model": None}) == []
    assert told(params(layers=[]), inputs={"model": None}) == ["`layers` changed: [1, 2] → [] (sparse.toml:7)"]


@pytest.mark.parametrize(
    ("files", "sentences"),
    [
        ({"model.onnx": "0" * 64}, ["output report.json is missing"]),
        ({}, ["the outputs are missing: build/train"]),
        ({"model.onnx": "9" * 64}, ["output report.json is missing", "output model.onnx was edited"]),
    ],
)
def test_outputs_that_are_not_as_they_were_left(files, sentences):
    assert told(present=Present(files=files)) == sentences


def test_without_a_record_nothing_else_is_worth_telling():
    assert [str(r) for r in reasons(ACTION, INPUTS, None, Present())] == ["never built"]
    assert [str(r) for r in reasons(ACTION, INPUTS, None, Present(unfinished=True))] == ["the last try did not finish"]


def test_forced_comes_first():
    assert told(params(layers=[]), forced=True) == ["forced", "`layers` changed: [1, 2] → [] (sparse.toml:7)"]


def test_all_changes_are_told_at_once():
    changed = replace(params(seed=1), version=4, libraries={"torch": "2.13"})
    assert told(changed, inputs={"model": OUTPUTS}, present=Present()) == [
        "step `train` changed: version 3 → 4",
        "`seed` was added: 1",
        "input `model` changed: config.json is gone, model.onnx was added, model.safetensors is gone, and 1 more",
        "library torch changed: 2.12 → 2.13",
        "the outputs are missing: build/train",
    ]


def test_what_was_left_out_is_told_by_its_default():
    known = replace(params(seed=3), defaults={"seed": 42})
    assert told(known) == ["`seed` changed: 42 (default) → 3"]
    assert told(replace(ACTION, defaults={"seed": 42}), old=record(known)) == ["`seed` changed: 3 → 42 (default)"]


def test_a_source_is_told_with_the_place_of_its_first_file_that_changed():
    places = {"sources.data.train": "sparse.lock:4", "sources.data.train/train.jsonl": "sparse.lock:8"}
    changed = replace(ACTION, sources={**ACTION.sources, "data.train": (file("train.jsonl", "f"),)}, origins=places)
    assert told(changed)[0].endswith("(sparse.lock:8)")
    unknown = replace(changed, origins={"sources.data.train": "sparse.lock:4"})
    assert told(unknown)[0].endswith("(sparse.lock:4)")
