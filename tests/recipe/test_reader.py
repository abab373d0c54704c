"""Reading text into a document."""

from __future__ import annotations

import pytest

from sparsebuild import recipe
from sparsebuild.errors import Position, RecipeError

TEXT = """\
version: 1.1.0
__metadata__: {python_version: 3.11.9, batch: 32}
rates: [1e-4, 2]
modifiers:
  - !ConstantPruningModifier
    start_epoch: 0.5
    params:
      - classifier.weight
      - re:bert.*
"""


def test_everything_has_a_position() -> None:
    document = recipe.read(TEXT, "r.yaml")
    entry = document.entries[0]
    assert entry.position == Position(file="r.yaml", line=5, column=5)
    assert entry.key_positions["params"] == Position(file="r.yaml", line=7, column=5)
    assert entry.field_positions["params[1]"] == Position(file="r.yaml", line=9, column=9)
    assert document.variables["rates"].positions["[1]"] == Position(file="r.yaml", line=3, column=15)
    assert str(entry.where("start_epoch")) == "r.yaml:6:18"
    assert entry.where("end_epoch") == entry.position


def test_version_and_metadata_are_kept() -> None:
    document = recipe.read(TEXT, "r.yaml")
    assert document.version == "1.1.0"
    assert document.metadata == {"python_version": "3.11.9", "batch": 32}
    assert list(document.variables) == ["version", "rates"]


def test_lines_of_front_matter_are_those_of_the_file() -> None:
    document = recipe.read(f"<!-- licence\n-->\n\n---\n{TEXT}---\n# Text\n--- \n", "r.md")
    assert document.entries[0].position == Position(file="r.md", line=9, column=5)


def test_text_without_a_suffix_may_be_either() -> None:
    assert recipe.read(TEXT, "recipe").entries == recipe.read(f"---\n{TEXT}---\n", "recipe").entries


def test_windows_line_ends_change_nothing() -> None:
    assert recipe.read(TEXT.replace("\n", "\r\n"), "r.yaml").entries == recipe.read(TEXT, "r.yaml").entries


def test_another_suffix_is_refused() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.read(TEXT, "folder.md/recipe.json")
    assert str(caught.value) == "error: `folder.md/recipe.json` is not a recipe: recipes are .yaml, .yml, .md files"


def test_a_huge_text_is_refused_unread() -> None:
    with pytest.raises(RecipeError, match=r"big.yaml is longer than 200000 characters: that is not a recipe"):
        recipe.read("#" * 1_000_001, "big.yaml")


def test_a_character_that_yaml_does_not_know_is_named() -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.read("a: 1\nb: \x00\n", "r.yaml")
    assert str(caught.value).startswith("error: a recipe cannot hold the character U+0000\n  --> r.yaml:2:1\n")


def test_a_list_of_modifiers_may_itself_be_an_alias() -> None:
    text = "first_modifiers: &all\n  - !EpochRangeModifier {start_epoch: 0, end_epoch: 1}\nmore_modifiers: *all\n"
    assert len(recipe.read(text, "r.yaml").entries) == 2


def test_an_alias_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]", "modifiers:", "  - !Probe"]
    lines += [f"    a{i}: &a{i} [{', '.join([f'[*a{i - 1}]'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(RecipeError, match="has more than 50000 values"):
        recipe.read("\n".join(lines), "r.yaml")
