"""Recipes as files: what each good one says, and how each bad one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sparsebuild import modifiers, recipe
from sparsebuild.errors import RecipeError

CASES = Path(__file__).parents[1] / "cases" / "recipes"


def cases(folder: str) -> list[pytest.param]:
    files = sorted(p for p in (CASES / folder).iterdir() if p.suffix in (".yaml", ".yml", ".md"))
    assert files
    return [pytest.param(path, id=path.name) for path in files]


@pytest.mark.parametrize("path", cases("good"))
def test_a_good_recipe_says_what_stands_beside_it(path: Path) -> None:
    given = path.with_suffix(".args.json")
    args = json.loads(given.read_text()) if given.exists() else {}
    resolved = recipe.resolve(recipe.read(path.read_text(), path.name), args)
    assert resolved.to_json() == json.loads(path.with_suffix(".json").read_text())


@pytest.mark.parametrize("path", cases("bad"))
def test_a_bad_recipe_is_refused_in_the_words_beside_it(path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        modifiers.specs(recipe.resolve(recipe.read(path.read_text(), path.name)))
    assert str(caught.value) + "\n" == path.with_suffix(".txt").read_text()
    assert caught.value.exit_code == 2
