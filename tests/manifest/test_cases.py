"""Whole files: the good ones are read, the bad ones give exactly the text beside them."""

from pathlib import Path

import pytest

from sparsebuild.errors import ManifestError
from sparsebuild.manifest import from_json, parse, to_json

CASES = Path(__file__).parents[1] / "cases" / "manifests"
TEMPLATES = Path(__file__).parents[2] / "templates"


def named(path):
    return path.parent.name if path.name == "sparse.toml" else path.stem


@pytest.mark.parametrize("path", sorted((CASES / "bad").glob("*.toml")), ids=named)
def test_bad(path):
    with pytest.raises(ManifestError) as error:
        parse(path.read_text())
    assert f"{error.value}\n" == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", [*(CASES / "good").glob("*.toml"), *TEMPLATES.glob("*/sparse.toml")], ids=named)
def test_good(path):
    manifest = parse(path.read_text())
    assert from_json(to_json(manifest)) == manifest


def test_spelling_makes_no_difference():
    files = [CASES / "good" / name for name in ("smallest.toml", "other-spelling.toml")]
    assert len({repr(parse(file.read_text())) for file in files}) == 1
