"""Recipes in the shapes in which SparseML's were written for language: each is read and can be run, or refused by line.

`# epochs: N` in a recipe says how long it lasts (None: as long as it is asked to), and `# refused` which lines are not
taken, whatever else there is.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparsebuild import modifiers, recipe
from sparsebuild.errors import Position, RecipeError
from sparsebuild.modifiers import curves
from sparsebuild.modifiers.reading import MODIFIERS, UNSUPPORTED

SHAPES = Path(__file__).parents[1] / "cases" / "recipes" / "shapes"

# What we never had the use for, in whatever form it was written.
REFUSED = {
    "ASRegModifier",
    "GPTQModifier",
    "LayerThinningModifier",
    "LogarithmicEqualizationModifier",
    "MFACPruningModifier",
    "OutputDistillationModifier",
    "PowerpropagationModifier",
    "RigLPruningModifier",
    "SmoothQuantModifier",
    "SparseGPTModifier",
    "TopKASTPruningModifier",
    "WandaPruningModifier",
}


def refused_lines(text: str) -> set[int]:
    """Those that say so, and those that name a modifier that there is not."""
    unsupported = re.compile(rf"!({'|'.join(UNSUPPORTED)})\b")
    return marked(text, "# refused") | {
        number for number, line in enumerate(text.splitlines(), 1) if unsupported.search(line)
    }


def marked(text: str, mark: str) -> set[int]:
    return {number for number, line in enumerate(text.splitlines(), 1) if line.endswith(mark)}


@pytest.mark.parametrize("path", sorted(SHAPES.iterdir()), ids=lambda path: path.name)
def test_it_can_be_run_or_is_refused_by_line(path: Path) -> None:
    text = path.read_text()
    told = refusals(path)
    assert {place and place.file for place in told} <= {path.name}
    wanted, found = refused_lines(text), {place.line for place in told if place}
    assert found == wanted


@pytest.mark.parametrize("path", sorted(SHAPES.iterdir()), ids=lambda path: path.name)
def test_what_can_be_run_has_a_schedule(path: Path) -> None:
    if refusals(path):
        pytest.skip("it is refused")
    specs = modifiers.specs(recipe.resolve(recipe.read(path.read_text(), path.name)))
    epochs = modifiers.epochs(specs)
    assert f"# epochs: {epochs}\n" in path.read_text()
    assert {phase.modifier for phase in modifiers.schedule_table(specs, epochs or 3)} <= set(MODIFIERS)
    assert len(curves.course(specs, epochs or 3, 10).at) == 10


def refusals(path: Path) -> list[Position | None]:
    """Where a recipe is refused; nothing where it can be run."""
    try:
        modifiers.specs(recipe.resolve(recipe.read(path.read_text(), path.name)))
    except RecipeError as error:
        return [problem.position for problem in error.problems]
    return []


@pytest.mark.parametrize("tag", sorted(REFUSED))
def test_a_modifier_that_is_refused_is_told_with_the_nearest_thing(tag: str) -> None:
    assert UNSUPPORTED[tag]
