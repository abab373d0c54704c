"""A recipe in the one layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsebuild.errors import RecipeError
from sparsebuild.recipe.layout import formatted

PACKAGE = Path(__file__).parents[2] / "sparsebuild"
UNTIDY = """\
--- # who
# what
epochs:   &e 3 # how long


rates: [ 1e-4,
   # the second
   2 ]
text: |  # as it is
  a # b
   c
modifiers:
- !EpochRangeModifier {start_epoch: 0, end_epoch: *e} # all of it
# then
- !Probe # one
   params:
   - a   # first
   -
     # a list in a list
     - b
   names: {x: {y: [ ]}}
# the end
"""
TIDY = """\
# who
# what
epochs: &e 3  # how long

rates:
  - 1e-4
  # the second
  - 2
text: "a # b\\n c\\n"  # as it is
modifiers:
  - !EpochRangeModifier  # all of it
      start_epoch: 0
      end_epoch: *e
  # then
  - !Probe  # one
      params:
        - a  # first
        # a list in a list
        -
          - b
      names: {x: {y: []}}
# the end
"""


def test_comments_stay_where_they_were() -> None:
    assert formatted(UNTIDY, "r.yaml") == TIDY
    assert formatted(TIDY, "r.yaml") == TIDY


def test_of_a_page_only_the_recipe_is_touched() -> None:
    page = f"<!--\n-->\n\n---\n{UNTIDY.partition(chr(10))[2]}---\n# Text\n-   item\n"
    assert formatted(page, "r.md") == f"<!--\n-->\n\n---\n{TIDY.partition(chr(10))[2]}---\n# Text\n-   item\n"


def test_lines_end_as_the_first_of_the_file_does() -> None:
    """Also those of a text over several lines, and of a page around a recipe; the meaning has no part in it."""
    page = f"---\n{UNTIDY.partition(chr(10))[2]}---\n# Text\n"
    tidy = f"---\n{TIDY.partition(chr(10))[2]}---\n# Text\n"
    assert formatted(UNTIDY.replace("\n", "\r\n"), "r.yaml") == TIDY.replace("\n", "\r\n")
    assert formatted(page.replace("\n", "\r\n"), "r.md") == tidy.replace("\n", "\r\n")
    assert formatted("---\r\n" + page.removeprefix("---\n"), "r.md") == tidy.replace("\n", "\r\n")
    assert formatted(page.replace("# Text\n", "# Text\r\n"), "r.md") == tidy


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("providers/*_recipes/*.yaml")), ids=lambda path: path.stem)
def test_ours_are_laid_out_so(path: Path) -> None:
    assert formatted(path.read_text(), path.name) == path.read_text()


def test_a_directive_is_left_to_people() -> None:
    with pytest.raises(RecipeError, match="begins with a directive"):
        formatted("%YAML 1.1\n---\na: 1\n", "r.yaml")
