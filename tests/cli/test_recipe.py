"""cli/recipe.py: what a recipe does, without doing it."""

import pytest

from sparsebuild.cli.recipe import arguments
from sparsebuild.errors import UserError

RECIPE = """\
num_epochs: 6
pruning_modifiers:
  - !EpochRangeModifier
      start_epoch: 0.0
      end_epoch: eval(num_epochs)
"""


def test_a_schedule_is_shown_with_its_arguments(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    ran = sparsebuild("recipe", "show", "recipe.yaml", "--arg", "num_epochs=3", "--json", cwd=tmp_path)
    assert list(ran.json)[:4] == ["schema_version", "file", "epochs", "phases"]
    assert (ran.json["epochs"], ran.json["phases"][0]["end"]) == (3, 3)
    assert ran.json["modifiers"] == {"EpochRangeModifier": [{"start_epoch": 0.0, "end_epoch": 3}]}


def test_the_table_has_a_drawing(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    ran = sparsebuild("recipe", "show", "recipe.yaml", cwd=tmp_path)
    assert "EpochRangeModifier   0 – 6    ━━━━━━━━━━━━━━━━━━━━━━━━" in ran.out


def test_a_wrong_recipe_is_2_and_points_at_the_line(tmp_path, sparsebuild):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("EpochRange", "EpochRnage"))
    ran = sparsebuild("recipe", "show", "recipe.yaml", cwd=tmp_path)
    assert ran.code == 2
    assert "--> recipe.yaml:3:5" in ran.err


def test_a_recipe_that_is_not_there_is_2(tmp_path, sparsebuild):
    ran = sparsebuild("recipe", "show", "no.yaml", cwd=tmp_path)
    assert (ran.code, ran.err) == (2, "error: `no.yaml` cannot be read: No such file or directory\n")


def test_arguments_are_numbers_where_they_look_like_it():
    assert arguments(["a=1", "b=0.5", "c=true", "d=linear", "e=[1, 2]", "f=x=y"]) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": "linear",
        "e": [1, 2],
        "f": "x=y",
    }


@pytest.mark.parametrize("pair", ["a", "=1", ""])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(UserError):
        arguments([pair])
