"""providers/builtin.py: the recipes that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsebuild import modifiers, recipe
from sparsebuild.digest import canonical_json, file_digest
from sparsebuild.engine.stat_cache import StatCache
from sparsebuild.engine.store import Store
from sparsebuild.errors import HashMismatch, SourceUnavailable, UserError
from sparsebuild.lock import LockedFile, LockedSource
from sparsebuild.providers import Context, ensure, provider
from sparsebuild.providers.builtin import builtin_names, builtin_recipe

ROOT = Path(__file__).parents[2]
REQUEST = "builtin:pruned80-quant"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    stats, temporary = StatCache(tmp_path / "stats.json"), tmp_path / "temporary"
    return Context(root=tmp_path, store=Store(tmp_path / "cache"), digests=stats, temporary=temporary, offline=True)


def locked(*files: LockedFile) -> LockedSource:
    return LockedSource(name="recipe", kind="builtin-recipe", request=REQUEST, files=files)


def resolved(path: Path, **args: object) -> str:
    return canonical_json(recipe.resolve(recipe.read(path.read_text(), path.name), args).to_json())


def test_it_is_pinned_by_its_bytes_and_brought_without_a_network(context: Context) -> None:
    found = provider(REQUEST).resolve(REQUEST, "recipe", context)
    (file,) = found.files
    assert (file.path, file.sha256) == ("pruned80-quant.yaml", file_digest(builtin_recipe(REQUEST)))
    context.store.path(file.sha256).unlink()
    ensure(locked(file), context)
    assert context.store.read_bytes(file.sha256) == builtin_recipe(REQUEST).read_bytes()


def test_the_recipe_of_another_version_is_not_taken_for_the_pinned_one(context: Context) -> None:
    with pytest.raises(HashMismatch) as caught:
        ensure(locked(LockedFile(path="pruned80-quant.yaml", size=1, sha256="0" * 64)), context)
    hint = "this version has another recipe of that name; to take it: `sparsebuild lock --upgrade recipe`"
    assert caught.value.problems[0].hint == hint


def test_a_name_that_there_is_not_is_told_with_the_nearest(context: Context) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        provider("builtin:pruned8-quant").resolve("builtin:pruned8-quant", "recipe", context)
    told = "error: no recipe is built in as `pruned8-quant`\n\nhint: did you mean `pruned80-quant`?"
    assert str(caught.value) == told


def test_there_are_no_models_in_it(context: Context) -> None:
    with pytest.raises(UserError, match="only recipes are built in"):
        provider(REQUEST).resolve(REQUEST, "model", context)


@pytest.mark.parametrize("name", builtin_names())
def test_each_can_be_run_and_has_a_page(name: str) -> None:
    path = builtin_recipe(name)
    document = recipe.read(path.read_text(), path.name)
    assert modifiers.epochs(modifiers.specs(recipe.resolve(document))) == document.variables["num_epochs"].value
    page = (ROOT / "docs" / "recipes" / f"{name}.md").read_text()
    assert f"`builtin:{name}`" in page
    assert all(f"`{variable}`" in page for variable in document.variables)


def test_the_figures_on_its_page_are_of_this_recipe() -> None:
    """docs/recipes/pruned80-quant.md quotes what examples/wnut17 measured with a file of its own.

    That names the parts of its BERT, which are all of it: `tests/contracts/test_encoders.py` compares the two.
    """
    example = ROOT / "examples" / "wnut17" / "recipes" / "pruned80_quant.yaml"
    parts = '"submodules":["bert.embeddings","bert.encoder","classifier"]'
    assert resolved(builtin_recipe(REQUEST)) == resolved(example).replace(parts, '"submodules":null')
