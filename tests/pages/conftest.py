"""A build as a report sees it, made of small figures."""

import pytest

from sparsebuild.pages.report import Built
from sparsebuild.pages.variants import Candidate, Shape


def scores(f1, **by_type):
    kinds = {kind: {"precision": f1, "recall": f1, "f1": value, "support": 9} for kind, value in by_type.items()}
    return {"precision": f1, "recall": f1, "f1": f1, "support": 18, "accuracy": 0.97, "by_type": kinds}


def model(f1, sparsity, size):
    return {
        "sparsity": sparsity,
        "bytes": size,
        "bytes_zstd": size * 3 // 4,
        "validation": scores(f1, person=f1 + 0.05, place=f1 - 0.05),
    }


def timing(runtime, name, shape, milliseconds):
    return {
        "name": f"{runtime}.{name}.{shape}",
        "runtime": runtime,
        "model": name,
        "shape": shape,
        "median_ms": milliseconds,
        "p95_ms": milliseconds * 1.2,
        "sentences_per_second": 1000 / milliseconds,
        "runs": 15,
        "speedup": 18.0 / milliseconds,
    }


MILLISECONDS = {"export": 7.4, "zeros filled": 7.5, "dense fp32": 18.0, "dynamic int8": 7.8}
BENCH = {
    "cpu": "a processor, avx512_vnni",
    "threads": 1,
    "runtimes": {"onnxruntime": {"version": "1.32.0"}, "openvino": {"missing": "No module named 'openvino'"}},
    "files": [
        {"name": name, "bytes": size, "bytes_zstd": size // 2, "zeros": share}
        for name, size, share in (
            ("export", 22_900_000, 0.8),
            ("zeros filled", 22_900_000, 0.0),
            ("dense fp32", 90_900_000, 0.0),
            ("dynamic int8", 23_000_000, 0.01),
        )
    ],
    "timings": [
        timing("onnxruntime", name, shape, time)
        for shape in ("1x128", "sentences")
        for name, time in MILLISECONDS.items()
    ],
    "memory": [{"runtime": "onnxruntime", "model": "export", "bytes": 53_700_000}],
    "zeros": [],
    "said": ["In onnxruntime zeros buy no speed: 1.01 times that of the same file without them."],
    "headline": {"runtime": "onnxruntime", "shape": "1x128", "latency_ms": 7.4, "speedup": 2.43},
}


def build(**changes):
    """A build with other values for some fields."""
    tags = {"gold": ["B-person", "I-person", "O", "B-place"], "teacher": ["B-person", "I-person", "O", "O"]}
    facts = {
        "project": "tiny",
        "scheme": "portable",
        "start": "target:teacher",
        "versions": {"sparsebuild": "0.1.0", "torch": "2.13"},
        "models": {"teacher": model(0.75, 0.0, 90_000_000), "student": model(0.7, 0.8, 90_000_000)},
        "export": {**model(0.7, 0.8, 22_900_000), "agreement": 0.9995, "scheme": "portable"},
        "gates": [{"name": "f1", "value": 0.7, "limit": ">= 0.6", "holds": True}],
        "history": [
            {
                "epoch": n,
                "step": 10 * n,
                "loss": 1 / n,
                "learning_rate": 1e-3 / n,
                "sparsity": min(n / 5, 0.8),
                "f1": 0.6,
            }
            for n in range(1, 7)
        ],
        "quantized_from": 4.0,
        "masked": {
            f"bert.encoder.layer.{layer}.{part}.weight": (60 + 10 * layer, 100)
            for layer in range(3)
            for part in ("attention.self.query", "intermediate.dense", "output.dense")
        },
        "bench": BENCH,
        "words": [["Ada", "Lovelace", "saw", "Rome"]] * 30,
        "answers": [{**tags, "student": ["B-person", "O", "O", "B-place"]}] * 30,
        "sources": [
            {
                "name": "data.train",
                "request": "file:data/train.jsonl",
                "files": [{"path": "train.jsonl", "size": 1234, "sha256": "ab" * 32}],
            }
        ],
        "lock": "cd" * 32,
        "laid_over": [],
    }
    return Built(**{**facts, **changes})


COMPARED_MS = {"(no variant)": 9.0, "ffn384": 5.0, "heads6": 4.0, "dense fp32": 18.0, "dynamic int8": 10.0}
MEGABYTES = {"(no variant)": 22.9, "ffn384": 16.1, "heads6": 15.0, "dense fp32": 90.9, "dynamic int8": 23.0}
WHOLE = Shape(whole_layers=3, heads=12, neurons=1536, layers=[(12, 1536)] * 3)
CUT = Shape(whole_layers=3, heads=12, neurons=1536, layers=[(8, 384)] * 3)
UNEVEN = Shape(whole_layers=3, heads=12, neurons=1536, layers=[(6, 256), (7, 300)])


def candidate(name, f1, shape):
    return Candidate(name=name, export={"validation": {"f1": f1}, "test": {"f1": f1 - 0.1}}, shape=shape)


CANDIDATES = [candidate("(no variant)", 0.7, WHOLE), candidate("ffn384", 0.71, CUT), candidate("heads6", 0.68, UNEVEN)]


def compared(*more):
    """What `compare` left of them, and of more files."""
    names = [*COMPARED_MS, *more]
    files = [{"name": n, "bytes": MEGABYTES.get(n, 1.0) * 1e6, "bytes_zstd": 5e6, "zeros": 0.0} for n in names]
    timings = [timing("onnxruntime", n, "1x128", COMPARED_MS.get(n, 7.0)) for n in names]
    return {**BENCH, "files": files, "timings": timings, "headline": {"runtime": "onnxruntime", "shape": "1x128"}}


def varied(**changes):
    """The same of a project with two variants."""
    return build(**{"candidates": CANDIDATES, "compared": compared(), **changes})


@pytest.fixture(scope="session", name="build")
def build_():
    return build


@pytest.fixture(scope="session", name="varied")
def varied_():
    return varied


@pytest.fixture(scope="session", name="compared")
def compared_():
    return compared


@pytest.fixture(scope="session", name="candidate")
def candidate_():
    return candidate
