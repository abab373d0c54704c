"""What a try leaves when it does not succeed."""

import shutil

import pytest

from sparsebuild.engine import work
from sparsebuild.errors import GateFailed, TargetFailed, UserError


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def failed(workshop, act):
    """A gate that held once and failed since."""
    workshop.build([act("a", "write", text="short"), act("gate", "gate", "a", most=5)])
    actions = [act("a", "write", text="too long"), act("gate", "gate", "a", most=5)]
    with pytest.raises(GateFailed):
        workshop.build(actions)
    return actions


def test_a_failure_is_told_until_it_is_mended(workshop, act, failed):
    decision = workshop.forecast(failed)["gate"]
    assert (decision.failed, [str(reason) for reason in decision.reasons]) == (
        "8 letters, promised <= 5",
        ["the last try failed: 8 letters, promised <= 5"],
    )
    mended = [act("a", "write", text="fine"), act("gate", "gate", "a", most=5)]
    workshop.build(mended)
    assert workshop.forecast(mended)["gate"].failed == ""


def test_a_failure_leaves_its_log(workshop, act):
    def fail(job, report):
        report.log("about to fail", "warning")
        (job.out / "half").write_text("half")
        raise TargetFailed("no use")

    workshop.calls.steps["write"] = fail
    with pytest.raises(TargetFailed):
        workshop.build([act("a", "write")])
    assert work.log_file(workshop.layout, "a").read_text() == "warning: about to fail\nerror: no use\n"
    assert [path.read_text() for path in workshop.layout.state.glob("work/a/*/out/half")] == ["half"]


def test_how_long_it_took_and_what_was_noted_outlives_a_failure(workshop, act, failed):
    before = work.before(workshop.layout, "gate")
    assert workshop.record("gate") is None
    assert workshop.forecast(failed)["gate"].seconds == before.seconds > 0


def test_a_stop_is_no_failure(workshop, act):
    work.begin(workshop.layout, "a", "0" * 64)
    decision = workshop.forecast([act("a", "write")])["a"]
    assert (decision.failed, str(decision.reasons[0])) == ("", "the last try did not finish")


def test_only_the_same_question_finds_the_scratch_of_the_last_try(workshop):
    first = work.begin(workshop.layout, "a", "1" * 64)
    (first.scratch / "checkpoint").touch()
    (first.out / "half").touch()
    again = work.begin(workshop.layout, "a", "1" * 64)
    assert (names(again.scratch), names(again.out)) == (["checkpoint"], [])
    assert names(work.begin(workshop.layout, "a", "1" * 64, anew=True).scratch) == []
    (again := work.begin(workshop.layout, "a", "1" * 64)).scratch.joinpath("checkpoint").touch()
    other = work.begin(workshop.layout, "a", "2" * 64)
    assert (names(other.scratch), again.folder.exists()) == ([], False)


def test_who_is_still_at_work_on_an_earlier_try_reaches_nothing_of_this_one(workshop):
    first = work.begin(workshop.layout, "a", "1" * 64)
    work.begin(workshop.layout, "a", "1" * 64)
    with pytest.raises(FileNotFoundError):
        (first.out / "late").touch()


def test_a_run_whose_work_was_taken_over_says_so_and_keeps_nothing(workshop, act):
    def robbed(job, report):
        (job.out / "text").write_text("mine")
        work.begin(workshop.layout, "a", job.out.parent.name[:16])

    workshop.calls.steps["write"] = robbed
    with pytest.raises(TargetFailed) as error:
        workshop.build([act("a", "write")])
    assert str(error.value) == (
        "error: another run took over `a` while this one worked on it\n\n"
        "hint: the disk's locks do not hold, as on some network disks; let one run end before the next begins"
    )
    assert not (workshop.cache / "traces").exists()


@pytest.mark.parametrize("planted", ["work", "work/a", "records", "logs"])
def test_a_link_where_we_work_is_refused(workshop, act, tmp_path, planted):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    link = workshop.layout.state / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match=f"`.sparsebuild/{planted}` is a symbolic link"):
        workshop.build([act("a", "write", text="x")])
    assert names(tmp_path / "precious") == ["file"]


@pytest.mark.parametrize(
    "planted",
    ["work/a/{q}.00/scratch", "work/a/{q}.00/out", "work/a/{q}.00", "work/a/{q}.00/notes.json", "work/a/{q}.00/begun",
     "work/a/failed", "work/a/before.json", "records/a.json", "logs/a.log", "stat-cache.json", "lock.holder",
     ".gitignore"],
)  # fmt: skip
def test_a_link_among_our_files_is_replaced_and_not_followed(workshop, act, tmp_path, planted):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious")
    workshop.build([act("a", "write", text="x")])
    question = workshop.record("a").fingerprint[:16]
    shutil.rmtree(workshop.layout.root)
    shutil.rmtree(workshop.cache)
    link = workshop.layout.state / planted.format(q=question)
    link.parent.mkdir(parents=True)
    link.symlink_to(precious / "file" if link.suffix or link.name in ("failed", "begun") else precious)

    def step(job, report):
        report.note("threads", 1)
        (job.scratch / "checkpoint").touch()
        (job.out / "text").write_text("x")

    workshop.calls.steps["write"] = step
    workshop.build([act("a", "write", text="x")])
    assert (names(precious), (precious / "file").read_text()) == (["file"], "precious")
    assert workshop.text("build/a/text") == "x"


@pytest.mark.parametrize("folder", ["objects", "objects/{}", "temporary", "traces", "projects"])
def test_a_link_in_the_store_is_refused(workshop, act, tmp_path, folder):
    workshop.build([act("a", "write", text="x")])
    (file,) = workshop.record("a").outputs
    moved = workshop.cache / folder.format(file.sha256[:2])
    shutil.rmtree(workshop.layout.root)
    moved.rename(tmp_path / "elsewhere")
    moved.symlink_to(tmp_path / "elsewhere")
    for planted in (tmp_path / "elsewhere").rglob("*"):
        if planted.is_file():
            planted.chmod(0o644)
            planted.write_text("precious")  # to the store it looks damaged
    workshop.layout.root.mkdir()
    fresh = type(workshop)(workshop.layout.root, workshop.cache)
    with pytest.raises(UserError, match="is a symbolic link"):
        fresh.build([act("a", "write", text="x"), act("b", "write", text="new")], keep_going=True)
    kept = [path.read_text() for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    assert set(kept) <= {"precious"}
