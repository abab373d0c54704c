"""The variables of a recipe, and where they are used."""

from __future__ import annotations

from sparsebuild import recipe
from sparsebuild.recipe.uses import uses

TEXT = """\
version: 1.1.0
epochs: &epochs 3
half: eval(epochs / 2)
names: &names [a, &b b]
unused: 1
modifiers:
  - !Probe {end: *epochs, start: eval(half), params: [x, eval(names)], one: *b}
late_stage:
  epochs: eval(half + 1)
  late_modifiers:
    - !Probe {end: eval(epochs), of_top: *names}
"""


def test_every_use_is_found_through_aliases_lists_and_stages() -> None:
    document = recipe.read(TEXT, "r.yaml")
    found = uses(document, recipe.resolve(document, {"half": 9}))
    told = [(u.stage, u.name, u.value, u.is_settable, [(x.what, x.position.line) for x in u.uses]) for u in found]
    assert told == [
        ("", "epochs", 3, True, [("Probe.end", 7), ("half", 3)]),
        ("", "half", 9, True, [("Probe.start", 7), ("late_stage.epochs", 9)]),
        ("", "names", ("a", "b"), False, [("Probe.params[1]", 7), ("Probe.of_top", 11)]),
        ("", "unused", 1, True, []),
        ("late_stage", "epochs", 10, True, [("Probe.end", 11)]),
    ]


def test_what_a_stage_works_out_from_the_same_name_follows_the_top_level() -> None:
    text = (
        "final: 0.6\na_stage:\n  final: 0.3\n  a_modifiers:\n    - !Probe {x: eval(final)}\n"
        "b_stage:\n  final: eval(final * 2)\n  b_modifiers:\n    - !Probe {x: eval(final)}\n"
    )
    document = recipe.read(text, "r.yaml")
    found = uses(document, recipe.resolve(document))
    told = [(u.stage, u.name, u.written, u.value, [(x.what, x.position.line) for x in u.uses]) for u in found]
    assert told == [
        ("", "final", 0.6, 0.6, [("b_stage.final", 7)]),
        ("a_stage", "final", 0.3, 0.3, [("Probe.x", 5)]),
        ("b_stage", "final", "eval(final * 2)", 1.2, [("Probe.x", 9)]),
    ]
    assert [u.value for u in uses(document, recipe.resolve(document, {"final": 0.5}))] == [0.5, 0.5, 0.5]
