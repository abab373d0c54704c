"""What somebody put into an output folder stays when its target is built, and where it stood if it can."""

import shutil

import pytest


@pytest.fixture
def put(workshop):
    """Write into the folder of the target `a`."""

    def write(name, text="mine"):
        path = workshop.layout.build / "a" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


def files(workshop):
    folder = workshop.layout.build / "a"
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_what_stood_there_before_the_first_build_stays(workshop, act, put):
    put("notes")
    put("deep/notes")
    workshop.build([act("a", "write", text="red")])
    assert files(workshop) == {"text": "red", "notes": "mine", "deep/notes": "mine"}


def test_what_was_added_stays_when_the_target_is_built_again_and_when_it_is_restored(workshop, act, put):
    first = [act("a", "write", **{"old": "x", "deep/text": "red"})]
    second = [act("a", "write", **{"deep/text": "blue"})]
    workshop.build(first)
    put("deep/notes")
    assert workshop.build(second) == {"a": "built"}
    assert files(workshop) == {"deep/text": "blue", "deep/notes": "mine"}
    assert workshop.build(second) == {"a": "fresh"}
    assert workshop.build(first) == {"a": "restored"}
    assert files(workshop) == {"old": "x", "deep/text": "red", "deep/notes": "mine"}


@pytest.mark.parametrize(("name", "moved"), [("text", "text.~1~"), ("text/notes", "text.~1~/notes")])
def test_what_is_in_the_way_of_an_output_gets_another_name_and_that_is_said(workshop, act, put, name, moved):
    put(name)
    workshop.build([act("a", "write", text="red")])
    assert files(workshop) == {"text": "red", moved: "mine"}
    said = [event.message for event in workshop.events if getattr(event, "level", "") == "warning"]
    assert said == ["`build/a/text` was in the way of an output, and no build left it: it is `build/a/text.~1~` now"]


def test_a_file_in_place_of_the_folder_gets_another_name(workshop, act):
    workshop.layout.build.mkdir()
    (workshop.layout.build / "a").write_text("mine")
    workshop.build([act("a", "write", text="red")])
    assert (workshop.text("build/a/text"), workshop.text("build/a.~1~")) == ("red", "mine")


def test_outputs_of_which_no_record_tells_are_replaced_while_the_store_has_them(workshop, act):
    workshop.build([act("a", "write", text="red")])
    shutil.rmtree(workshop.layout.state)
    workshop.build([act("a", "write", text="blue")])
    assert files(workshop) == {"text": "blue"}


def test_a_link_that_was_added_is_not_followed(workshop, act, put, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "text").write_text("mine")
    workshop.build([act("a", "write", **{"deep/text": "red"})])
    shutil.rmtree(workshop.layout.build / "a" / "deep")
    (workshop.layout.build / "a" / "deep").symlink_to(tmp_path / "elsewhere")
    workshop.build([act("a", "write", **{"deep/text": "blue"})])
    assert (workshop.text("build/a/deep/text"), workshop.text("build/a/deep.~1~/text")) == ("blue", "mine")
