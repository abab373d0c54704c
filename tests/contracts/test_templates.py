"""What every template and example must do: say what it is for, be read without a complaint, and have rows that fit."""

import json
from pathlib import Path

import pytest

from sparsebuild import manifest, modifiers, recipe
from sparsebuild.providers.builtin import builtin_recipe
from sparsebuild.tasks.base import SPLITS, Request, Teller
from sparsebuild.tasks.rows import DataFile
from sparsebuild.tasks.token_classification import prepare

ROOT = Path(__file__).parents[2]
TOKENIZER = Path(__file__).parents[1] / "cases" / "data" / "tokenizer"
PROJECTS = sorted(path.parent for place in ("templates", "examples") for path in (ROOT / place).glob("*/sparse.toml"))
WITH_ROWS = [
    project for project in PROJECTS if (project / "data" / "train.jsonl").exists() and project.name != "wnut17"
]


def name(project: Path) -> str:
    return f"{project.parent.name}/{project.name}"


@pytest.mark.parametrize("project", PROJECTS, ids=name)
def test_its_manifest_and_its_recipes_are_right(project: Path) -> None:
    read = manifest.read(project / "sparse.toml")
    assert read.recipe is not None
    builtin = [builtin_recipe(read.recipe.source)] if read.recipe.source.startswith("builtin:") else []
    files = builtin or sorted((project / "recipes").iterdir())
    assert files
    for file in files:
        document = recipe.read(file.read_text(), file.name)
        specs = modifiers.specs(recipe.resolve(document, read.recipe.args))
        assert modifiers.epochs(specs) == read.recipe.args.get("num_epochs", document.variables["num_epochs"].value)


@pytest.mark.parametrize("project", PROJECTS, ids=name)
def test_its_first_line_says_what_it_is_for(project: Path) -> None:
    """`init --list` shows it."""
    first = (project / "sparse.toml").read_text().splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")
    assert (project / "README.md").exists()


@pytest.mark.parametrize("project", PROJECTS, ids=name)
def test_what_it_builds_is_not_committed(project: Path) -> None:
    assert {"build/", ".sparsebuild/"} <= set((project / ".gitignore").read_text().splitlines())


@pytest.mark.parametrize("project", WITH_ROWS, ids=name)
def test_its_rows_can_be_prepared(project: Path, tmp_path: Path) -> None:
    found = {split: project / "data" / f"{split}.jsonl" for split in SPLITS}
    files = {split: [DataFile(path=path, name=path.name)] for split, path in found.items() if path.exists()}
    request = Request(files=files, tokenizer=TOKENIZER, max_length=64)
    prepare(
        request,
        tmp_path,
        Teller(say=lambda message: None, warn=lambda message: None, progress=lambda *_: None),
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["train"]["sentences"] >= 60
    assert report["validation"]["entities"] >= 20
