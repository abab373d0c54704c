"""What builds left goes, and nothing else."""

import os

import pytest

from sparsebuild.engine.clean import clean, look
from sparsebuild.engine.held import held
from sparsebuild.errors import HeldByAnotherRun, TargetFailed, UserError


@pytest.fixture
def cleaned(workshop):
    """Clean: what was told of each action."""

    def call(*actions, **settings):
        names = set(actions) or None
        found = clean(workshop.layout, names, stat_cache=workshop.stat_cache, sink=workshop.events.append, **settings)
        return {told.action: told for told in found}

    return call


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_all_that_builds_left_goes_and_comes_back_from_the_store(workshop, chain, cleaned):
    (workshop.layout.root / "sparse.toml").write_text("mine")
    workshop.build(chain())
    told = cleaned()
    assert [(name, told[name].files > 0, told[name].left) for name in ("words", "first", "end")] == [
        ("words", True, ()),
        ("first", True, ()),
        ("end", True, ()),
    ]
    assert set(files(workshop.layout.root)) <= {
        "sparse.toml",
        *(f".sparsebuild/{name}" for name in (".gitignore", "CACHEDIR.TAG", "lock", "lock.holder", "worker.lock")),
    }
    assert not workshop.layout.build.exists()
    assert [path for path in workshop.layout.state.iterdir() if path.is_dir()] == []
    assert set(workshop.build(chain()).values()) == {"restored"}


def test_one_target_goes_alone(workshop, chain, cleaned):
    workshop.build(chain())
    assert list(cleaned("first")) == ["first"]
    assert files(workshop.layout.build) == ["end/text", "words/text"]
    assert workshop.build(chain()) == {"words": "fresh", "first": "restored", "end": "fresh"}


def test_looking_says_the_same_and_removes_nothing(workshop, chain, cleaned):
    workshop.build(chain())
    before = {path: path.stat().st_mtime_ns for path in workshop.layout.root.rglob("*")}
    found = look(workshop.layout, None, stat_cache=workshop.stat_cache)
    assert {path: path.stat().st_mtime_ns for path in workshop.layout.root.rglob("*")} == before
    assert {told.action: told for told in found} == cleaned()


def test_what_somebody_added_or_edited_stays_and_is_told(workshop, act, cleaned):
    actions = [act("a", "write", one="red", two="green")]
    workshop.build(actions)
    (workshop.layout.build / "a" / "notes").write_text("mine")
    (workshop.layout.build / "a" / "two").write_text("blue")
    assert cleaned()["a"].left == ("build/a/notes", "build/a/two")
    assert files(workshop.layout.build) == ["a/notes", "a/two"]


def test_a_target_that_is_no_more_goes_too(workshop, chain, cleaned):
    workshop.build(chain())
    workshop.build(chain()[:1])
    assert {"words", "first", "end"} <= set(cleaned())
    assert not workshop.layout.build.exists()


def test_what_a_failed_try_left_goes_with_the_outputs_of_the_last_good_one(workshop, chain, cleaned):
    workshop.build(chain())

    def fail(job, report):
        raise TargetFailed("no more")

    workshop.calls.steps["write"] = fail
    with pytest.raises(TargetFailed):
        workshop.build(chain(words="blue"))
    assert (workshop.record("words"), workshop.text("build/words/text")) == (None, "red green")
    cleaned("words")
    assert files(workshop.layout.build) == ["end/text", "first/text"]
    assert not (workshop.layout.state / "work" / "words").exists()


def test_links_are_not_followed(workshop, chain, cleaned, tmp_path):
    workshop.build(chain())
    elsewhere = tmp_path / "elsewhere"
    (workshop.layout.build / "words").rename(elsewhere)
    (workshop.layout.build / "words").symlink_to(elsewhere)
    (workshop.layout.build / "end" / "text").rename(tmp_path / "text")
    (workshop.layout.build / "end" / "text").symlink_to(tmp_path / "text")
    (workshop.layout.state / "more").symlink_to(tmp_path)
    told = cleaned()
    assert (files(elsewhere), (tmp_path / "text").read_text()) == (["text"], "red!")
    assert (told["words"].left, told["end"].left) == (("build/words",), ("build/end/text",))
    assert not os.path.lexists(workshop.layout.state / "more")


@pytest.mark.parametrize("folder", ["..", "/", "build/../..", ""])
def test_a_record_cannot_lead_out_of_the_project(workshop, act, cleaned, folder):
    workshop.build([act("a", "write", text="red")])
    (workshop.layout.root.parent / "text").write_text("red")
    record = workshop.layout.state / "records" / "a.json"
    record.write_text(record.read_text().replace('"build/a"', f'"{folder}"'))
    cleaned()
    assert (workshop.layout.root.parent / "text").exists()


def test_an_output_cannot_lead_out_of_its_folder(workshop, act, cleaned):
    workshop.build([act("a", "write", text="red")])
    (workshop.layout.root / "text").write_text("red")
    record = workshop.layout.state / "records" / "a.json"
    record.write_text(record.read_text().replace('"path": "text"', '"path": "../../text"'))
    cleaned()
    assert (workshop.layout.root / "text").exists()


def test_nothing_is_made_where_nothing_was(workshop, cleaned):
    assert cleaned() == {}
    assert list(workshop.layout.root.iterdir()) == []


def test_it_does_not_work_beside_a_run(workshop, chain, cleaned):
    workshop.build(chain())
    with held(workshop.layout, print, wait=True), pytest.raises(HeldByAnotherRun):
        cleaned(wait=False)
    assert workshop.text("build/end/text") == "red!"


def test_a_linked_state_folder_is_refused(workshop, chain, cleaned, tmp_path):
    workshop.build(chain())
    workshop.layout.state.rename(tmp_path / "state")
    workshop.layout.state.symlink_to(tmp_path / "state")
    with pytest.raises(UserError, match="symbolic link"):
        cleaned()
    assert workshop.text("build/end/text") == "red!"
