"""How sources are written."""

import pytest

from sparsebuild.manifest import split_source, written_in_full


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("data/train.jsonl", ("file", "data/train.jsonl")),
        ("file:data/train.jsonl", ("file", "data/train.jsonl")),
        ("C:/data/train.jsonl", ("file", "C:/data/train.jsonl")),
        ("HF:org/name@main", ("hf", "org/name@main")),
        ("pypi:a==1#b:c", ("pypi", "a==1#b:c")),
        ("./odd:name", ("file", "./odd:name")),
    ],
)
def test_scheme_and_rest(source, parts):
    assert split_source(source) == parts
    assert written_in_full(source) == ":".join(parts)
    assert written_in_full(written_in_full(source)) == written_in_full(source)
