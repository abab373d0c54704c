"""ui/results.py: what a build came to."""

import io

from sparsebuild.ui import results

METRICS = {
    "models": {
        "teacher": {"validation": {"f1": 0.5594}, "sparsity": 0.0, "bytes": 90_000_000},
        "student": {"validation": {"f1": 0.5668}, "test": {"f1": 0.4373}, "sparsity": 0.8, "bytes": 90_000_000},
    }
}
EXPORT = {
    "scheme": "portable",
    "agreement": 0.99983,
    "validation": {"f1": 0.5668},
    "sparsity": 0.8,
    "bytes": 22_934_224,
}
GATE = {"gates": [{"name": "[f1]", "value": 0.5668, "limit": ">= 0.9", "holds": False}]}


def shown(documents):
    stream = io.StringIO()
    results.show(documents, stream)
    return [line.split() for line in stream.getvalue().splitlines() if line.strip() and "─" not in line]


def test_models_stand_side_by_side():
    assert shown({"metrics": METRICS, "export": EXPORT}) == [
        ["teacher", "student", "int8"],
        ["F1,", "validation", "0.5594", "0.5668", "0.5668"],
        ["F1,", "test", "0.4373"],
        ["sparsity", "0.0", "%", "80.0", "%", "80.0", "%"],
        ["size", "90.0", "MB", "90.0", "MB", "22.9", "MB"],
        [
            "The",
            "exported",
            "file",
            "and",
            "the",
            "trained",
            "model",
            "label",
            "99.98",
            "%",
            "of",
            "the",
            "words",
            "alike.",
        ],
    ]


def test_a_file_that_is_not_quantized_is_not_called_int8():
    for scheme in ("fp32", "fp16"):
        assert shown({"metrics": METRICS, "export": {**EXPORT, "scheme": scheme}})[0] == ["teacher", "student", "ONNX"]


def test_gates_show_value_and_limit():
    assert shown({"gate": GATE}) == [["gate", "value", "must", "be"], ["✗", "[f1]", "0.5668", ">=", "0.9"]]


def test_what_was_not_measured_is_not_shown():
    assert shown({}) == []
    assert shown({"export": {"scheme": "fp32"}}) == [["ONNX"]]
