"""What two recipes say differently."""

from __future__ import annotations

from sparsebuild import recipe
from sparsebuild.recipe.difference import ABSENT, differences

OLD = """\
epochs: 3
modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: eval(epochs)}
  - !Probe {name: one, levels: {0.5: [a]}}
  - !Probe {name: two, more: 1}
"""
NEW = """\
# A comment is no difference, nor is the order.
other_modifiers:
  - !Probe {name: two, more: 2}
  - !Probe {name: one, levels: {0.5: [a, b]}}
epochs: 4
rate: 1e-4
more_modifiers:
  - !EpochRangeModifier {start_epoch: 0, end_epoch: eval(epochs)}
  - !ConstantPruningModifier
"""


def read(text: str, name: str) -> tuple[recipe.Document, recipe.Resolved]:
    document = recipe.read(text, name)
    return document, recipe.resolve(document)


def test_each_difference_has_both_values_and_both_lines() -> None:
    found = differences(read(OLD, "a.yaml"), read(NEW, "b.yaml"))
    assert [(d.what, d.path, d.old, d.new, d.old_place, d.new_place) for d in found] == [
        ("epochs", "", 3, 4, "a.yaml:1", "b.yaml:5"),
        ("rate", "", ABSENT, 1e-4, "", "b.yaml:6"),
        ("EpochRangeModifier", "end_epoch", 3, 4, "a.yaml:3", "b.yaml:8"),
        ("Probe", "levels.0.5", ["a"], ["a", "b"], "a.yaml:4", "b.yaml:4"),
        ("Probe", "more", 1, 2, "a.yaml:5", "b.yaml:3"),
        ("ConstantPruningModifier", "", ABSENT, {}, "", "b.yaml:9"),
    ]


def test_a_recipe_is_like_itself() -> None:
    assert differences(read(NEW, "a.yaml"), read(NEW, "b.yaml")) == ()
