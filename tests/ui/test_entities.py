"""ui/entities.py: a sentence with its entities."""

import io

from sparsebuild.ui.entities import Entity, bracketed, coloured, show

TEXT = "Ada Lovelace went to Rome"
FOUND = [Entity(kind="place", start=21, end=25), Entity(kind="person", start=0, end=12)]


def test_without_colour_entities_stand_in_brackets():
    stream = io.StringIO()
    show(TEXT, FOUND, stream)
    assert stream.getvalue() == "[person Ada Lovelace] went to [place Rome]\n"


def test_with_colour_the_kind_follows():
    assert coloured(TEXT, FOUND).plain == " Ada Lovelace  person went to  Rome  place"


def test_colours_are_used_on_a_terminal(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    show(TEXT, FOUND, terminal)
    assert "\x1b[" in terminal.getvalue()


def test_a_kind_has_its_colour_whatever_else_is_in_the_sentence():
    kinds = ["person", "place"]
    both, alone = (coloured(TEXT, found, kinds) for found in (FOUND, FOUND[:1]))
    assert both.spans[-2].style == alone.spans[-2].style


def test_labels_and_words_are_inert():
    assert bracketed("\x1b[2Jx", [Entity(kind="a\n\x07b", start=0, end=5)]) == "[a b x]"
