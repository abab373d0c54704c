"""The stages of a recipe on the time line."""

from __future__ import annotations

from pathlib import Path

from sparsebuild import recipe
from sparsebuild.modifiers.reading import entries_and_specs
from sparsebuild.modifiers.stages import overlapping, stretches

SAVED = Path(__file__).parents[1] / "cases" / "recipes" / "shapes" / "saved_by_the_trainer.yaml"


def read(text: str):
    return stretches(entries_and_specs(recipe.resolve(recipe.read(text, "r.yaml"))), 8)


def test_stages_run_one_after_the_other_by_their_written_epochs() -> None:
    found = read(SAVED.read_text())
    assert [(stage.name, stage.start, stage.end) for stage in found] == [("stage_0", 0, 3), ("stage_1", 3, 8)]
    assert found[0].modifiers == ("ConstantPruningModifier", "EpochRangeModifier")
    assert overlapping(found) == ()


def test_stages_whose_epochs_were_not_shifted_are_seen_to_overlap() -> None:
    stage = "{0}:\n  {0}_modifiers:\n    - !EpochRangeModifier {{start_epoch: 0, end_epoch: {1}}}\n"
    found = read(stage.format("long", 5) + stage.format("short", 2))
    assert [stage.name for stage in found] == ["short", "long"]
    assert overlapping(found) == (("short", "long"),)


def test_a_recipe_without_stages_has_none() -> None:
    assert read("modifiers:\n  - !EpochRangeModifier {start_epoch: 0, end_epoch: 3}\n") == ()
