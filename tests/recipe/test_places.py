"""Where in a recipe a setting stands, and what it is worked out from."""

from sparsebuild import recipe

TEXT = """\
end: 4.0
half: eval(end / 2)
modifiers:
  - !EpochRangeModifier {start_epoch: 0, end_epoch: eval(end)}
  - !Probe
    params:
      - b
      - a
    start_epoch: eval(half)
  - !Probe
    start_epoch: 0.5
"""


def places(**args):
    document = recipe.read(TEXT, "r.yaml")
    return recipe.places(document, recipe.resolve(document, args), args)


def test_each_setting_has_the_line_on_which_it_stands():
    found = places()
    assert found["modifiers.Probe[0].params[1]"] == {"": "r.yaml:8"}
    assert found["modifiers.Probe[0]"] == {"": "r.yaml:5"}
    assert found["modifiers.Probe"] == {"": "r.yaml:5"}
    assert found[""] == {"": "r.yaml"}


def test_a_setting_that_is_worked_out_names_the_variable_that_holds_the_number():
    assert places()["modifiers.Probe[0].start_epoch"] == {"": "r.yaml:9", "end": "r.yaml:1"}


def test_a_variable_that_is_given_has_no_place_in_the_recipe():
    assert places(end=6.0)["modifiers.EpochRangeModifier[0].end_epoch"] == {"": "r.yaml:4", "end": ""}


def test_modifiers_of_one_tag_are_counted_as_the_values_are():
    document = recipe.read(TEXT, "r.yaml")
    values = recipe.resolve(document).to_json()["modifiers"]["Probe"]
    assert [fields.get("params") for fields in values] == [["b", "a"], None]
    assert places()["modifiers.Probe[1].start_epoch"] == {"": "r.yaml:11"}


def test_a_stage_names_its_own_variable_before_that_of_the_top():
    staged = "a_stage:\n  end: 3\n  a_modifiers:\n    - !Probe {end: eval(end), half: eval(half)}\n"
    text = f"end: 4\nhalf: eval(end / 2)\n{staged}"
    document = recipe.read(text, "r.yaml")
    found = recipe.places(document, recipe.resolve(document), {})
    assert found["modifiers.Probe[0].end"] == {"": "r.yaml:6", "end": "r.yaml:4"}
    assert found["modifiers.Probe[0].half"] == {"": "r.yaml:6", "end": "r.yaml:1"}
