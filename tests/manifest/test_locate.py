"""Where keys stand, in every way that TOML can write them."""

import pytest

from sparsebuild.manifest.locate import key_text, places, position_at

TEXT = '''# head = 1
a = 1
  b.c = "x # no comment" # comment
["d"]  # a table
'e f' = """
two
[not.a.table]
"""
g = { h = [1, { i = 2 }], "j.k" = \'\'\'l\'\'\' }
m = [
  "n", # ] not the end
  [ 3 ],
]
[[o]]
p = 1979-05-27 07:32:00
[[o]]
p = """q""""
[o.r.s]
t = -1e-3
[d.u]
v = "\\"]"
'''


def at(path, text=TEXT):
    position = position_at(text, places(text)[path].value, "sparse.toml")
    return position.line, position.column


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("a",), (2, 5)),
        (("b",), (3, 9)),
        (("b", "c"), (3, 9)),
        (("d",), (4, 1)),
        (("d", "e f"), (5, 9)),
        (("d", "g"), (9, 5)),
        (("d", "g", "h"), (9, 11)),
        (("d", "g", "h", 0), (9, 12)),
        (("d", "g", "h", 1, "i"), (9, 21)),
        (("d", "g", "j.k"), (9, 35)),
        (("d", "m", 0), (11, 3)),
        (("d", "m", 1, 0), (12, 5)),
        (("o",), (14, 1)),
        (("o", 0), (14, 1)),
        (("o", 0, "p"), (15, 5)),
        (("o", 1, "p"), (17, 5)),
        (("o", 1, "r"), (18, 1)),
        (("o", 1, "r", "s", "t"), (19, 5)),
        (("d", "u", "v"), (21, 5)),
    ],
)
def test_a_value(path, place):
    assert at(path) == place


def test_a_header_wins_over_a_deeper_header_before_it():
    assert at(("a",), "[a.b]\nc = 1\n[a]\nd = 2\n") == (3, 1)


def test_keys_have_places_of_their_own():
    place = places(TEXT)[("b", "c")]
    assert TEXT[place.key : place.key_end] == "c"
    assert TEXT[place.value : place.value_end] == '"x # no comment"'


@pytest.mark.parametrize(
    "text", ["a", "a =", 'a = "', "a = [1", "a = { b", "[a", "= 1", "a = [}", "\x00", 'a = """', "a = ]"]
)
def test_what_is_not_toml_ends_the_walk(text):
    assert len(places(text)) <= 1


def test_paths_are_written_as_toml_writes_them():
    assert key_text(("data", "unlabelled", 2)) == "data.unlabelled[2]"
    assert key_text(("odd key", "x-y_z", "")) == '"odd key".x-y_z.""'
