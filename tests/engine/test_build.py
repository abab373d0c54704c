"""What is built, what is not, and what is left behind."""

import errno
import json
import os
import threading
from dataclasses import replace

import pytest

from sparsebuild import events
from sparsebuild.engine.held import held, take_part, worker_lock
from sparsebuild.errors import GateFailed, HeldByAnotherRun, Interrupted, TargetFailed, UserError

FRESH = {"words": "fresh", "first": "fresh", "end": "fresh"}


def test_builds_all_in_order_then_has_nothing_to_do(workshop, chain):
    assert workshop.build(chain()) == {"words": "built", "first": "built", "end": "built"}
    assert workshop.text("build/end/text") == "red!"
    assert workshop.build(chain()) == FRESH
    assert len(workshop.calls.jobs) == 3


def test_the_story_is_told_in_events(workshop, act):
    workshop.build([act("a", "write", text="x")], clock=iter(range(99)).__next__)
    assert workshop.events == [
        events.RunStarted(project="project", targets=("a",)),
        events.TargetDecided(target="a", verdict="stale", reasons=("never built",)),
        events.TargetStarted(target="a"),
        events.TargetFinished(target="a", outcome="built", seconds=3),
        events.RunFinished(seconds=5, outcomes={"a": "built"}),
    ]


def test_touch_changes_nothing(workshop, chain):
    workshop.build(chain())
    os.utime(workshop.layout.build / "words" / "text")
    assert workshop.build(chain()) == FRESH


def test_changed_param_reruns_only_what_needs_it(workshop, chain):
    workshop.build(chain())
    assert workshop.build(chain(end="?")) == {**FRESH, "end": "built"}
    assert workshop.text("build/end/text") == "red?"


def test_going_back_to_old_settings_restores_instead_of_running(workshop, chain):
    workshop.build(chain())
    workshop.build(chain(words="blue"))
    ran = len(workshop.calls.jobs)
    assert workshop.build(chain()) == {"words": "restored", "first": "restored", "end": "restored"}
    assert (len(workshop.calls.jobs), workshop.text("build/end/text")) == (ran, "red!")


def test_equal_output_cuts_the_rebuilding_short(workshop, chain):
    workshop.build(chain())
    assert workshop.build(chain(words="red blue")) == {"words": "built", "first": "built", "end": "fresh"}


def test_only_the_part_that_is_read_counts(workshop, act):
    def actions(other):
        return [act("a", "write", **{"sub/x": "x", "other": other}), act("b", "join", "a/sub"), act("c", "join", "a")]

    workshop.build(actions("1"))
    assert workshop.build(actions("2")) == {"a": "built", "b": "fresh", "c": "built"}


def test_an_input_may_be_one_file(workshop, act):
    workshop.build([act("a", "write", x="one", y="two"), act("b", "join", "a/y")])
    assert workshop.text("build/b/text") == "two"


def test_reading_what_nobody_left_fails(workshop, act):
    with pytest.raises(TargetFailed) as error:
        workshop.build([act("a", "write", x="one"), act("b", "join", "a/z")])
    assert str(error.value) == "error: `b` reads `z` of `a`, which left no such file"


@pytest.mark.parametrize("harm", ["edit", "truncate", "remove", "remove folder", "link"])
def test_harmed_output_is_noticed_and_restored(workshop, chain, harm):
    workshop.build(chain())
    path = workshop.layout.build / "end" / "text"
    match harm:
        case "edit":
            path.write_text("RED!")
        case "truncate":
            path.write_text("")
        case "link":
            path.rename(path.with_name("moved"))
            path.symlink_to("moved")
        case "remove":
            path.unlink()
        case "remove folder":
            path.unlink()
            path.parent.rmdir()
    assert workshop.build(chain()) == {**FRESH, "end": "restored"}
    assert (workshop.text("build/end/text"), path.is_symlink()) == ("red!", False)


def test_an_edit_in_build_does_not_reach_the_store(workshop, act):
    workshop.build([act("a", "write", text="kept")])
    (workshop.layout.build / "a" / "text").write_text("edited in place")
    workshop.build([act("a", "write", text="kept")])
    assert workshop.text("build/a/text") == "kept"


def test_damaged_store_is_said_and_built_again(workshop, act):
    workshop.build([act("a", "write", text="kept")])
    file = workshop.record("a").outputs[0]
    workshop.store.path(file.sha256).chmod(0o644)
    workshop.store.path(file.sha256).write_text("rot!")
    (workshop.layout.build / "a" / "text").unlink()
    assert workshop.build([act("a", "write", text="kept")]) == {"a": "built"}
    message = "what an earlier run left in the cache is damaged, so it is built again"
    assert events.Log(target="a", message=message, level="warning") in workshop.events


def test_another_project_finds_the_answer_in_the_cache(workshop, chain, tmp_path):
    workshop.build(chain())
    (tmp_path / "other").mkdir()
    other = type(workshop)(tmp_path / "other", tmp_path / "cache")
    assert set(other.build(chain()).values()) == {"restored"}
    assert other.text("build/end/text") == "red!"


def test_failure_keeps_what_stood_there_and_skips_what_needs_it(workshop, act):
    def actions(text):
        return [
            act("a", "write", text=text),
            act("gate", "gate", "a", most=5),
            act("after", "join", "gate"),
            act("later", "write", other=text),
        ]

    workshop.build(actions("short"))
    with pytest.raises(GateFailed, match="8 letters, promised <= 5"):
        workshop.build(actions("too long"))
    assert workshop.outcomes() == {"a": "built", "gate": "failed", "after": "skipped", "later": "skipped"}
    finished = [event.message for event in workshop.events if isinstance(event, events.TargetFinished)][-3:]
    assert finished == [
        "8 letters, promised <= 5",
        "it needs `gate`, which failed",
        "a target before it failed",
    ]
    assert workshop.text("build/gate/text") == "short"
    assert workshop.text("build/after/text") == "short"


def test_a_failed_gate_fails_again_until_it_holds(workshop, act):
    def actions(text):
        return [
            act("export", "write", folder=".sparsebuild/candidate/export", text=text),
            act("gate", "gate", "export", folder="build/export", most=5),
        ]

    workshop.build(actions("short"))
    for _ in range(2):
        with pytest.raises(GateFailed):
            workshop.build(actions("too long"))
    assert workshop.text("build/export/text") == "short"
    workshop.build(actions("other"))
    assert workshop.text("build/export/text") == "other"


def test_keep_going_does_what_the_failure_does_not_touch(workshop, act):
    actions = [
        act("z", "write", text="long text"),
        act("bad", "gate", "z", most=1),
        act("fine", "join", "z"),
        act("after", "join", "bad"),
    ]
    with pytest.raises(GateFailed):
        workshop.build(actions, keep_going=True)
    assert workshop.outcomes() == {"z": "built", "bad": "failed", "fine": "built", "after": "skipped"}


def test_several_failures_are_told_together(workshop, act):
    actions = [act("z", "write", text="long"), act("b", "gate", "z", most=1), act("c", "gate", "z", most=2)]
    with pytest.raises(GateFailed) as error:
        workshop.build(actions, keep_going=True)
    assert [p.message for p in error.value.problems] == ["4 letters, promised <= 1", "4 letters, promised <= 2"]


def test_what_is_no_failure_of_ours_to_foresee_is_raised_as_it_is(workshop, act):
    workshop.calls.steps["write"] = lambda job, report: {}["bug"]
    with pytest.raises(KeyError, match="bug"):
        workshop.build([act("a", "write")])
    assert workshop.outcomes() == {"a": "failed"}


def test_a_step_that_leaves_nothing_or_a_link_fails(workshop, act):
    with pytest.raises(TargetFailed, match="`a` left no files"):
        workshop.build([act("a", "write")])
    workshop.calls.steps["write"] = lambda job, report: (job.out / "x").symlink_to("/etc/passwd")
    with pytest.raises(TargetFailed, match="the output x is not a plain file"):
        workshop.build([act("a", "write")])


def test_forced_is_built_with_what_is_asked_for_whether_that_needs_it_or_not(workshop, chain):
    drawn = [*chain()[:-1], replace(chain()[-1], on_demand=True)]
    workshop.build(drawn, "end")
    outcomes = {"words": "fresh", "first": "fresh", "end": "built"}
    for asked in ((), ("words",)):
        assert list(workshop.forecast(drawn, *asked, force=["end"])) == list(outcomes)
        assert workshop.build(drawn, *asked, force=["end"]) == outcomes


def test_forced_runs_without_a_reason_and_says_so(workshop, chain):
    workshop.build(chain())
    assert workshop.build(chain(), force=["first"]) == {**FRESH, "first": "built"}
    assert "forced" in [r for e in workshop.events if isinstance(e, events.TargetDecided) for r in e.reasons]


def test_only_the_chosen_targets_are_looked_at(workshop, chain):
    assert workshop.build(chain(), "first") == {"words": "built", "first": "built"}
    assert not (workshop.layout.build / "end").exists()


def test_scratch_waits_until_its_question_is_asked_again(workshop, act):
    def fails_once(job, report):
        seen = (job.scratch / "seen").exists()
        (job.scratch / "seen").touch()
        report.note("threads", 4)
        (job.out / "half").write_text("half")
        if not seen:
            raise TargetFailed("once")
        assert job.notes == {"threads": 4}
        assert sorted(p.name for p in job.out.iterdir()) == ["half"]

    workshop.calls.steps["write"] = fails_once
    with pytest.raises(TargetFailed, match="once"):
        workshop.build([act("a", "write", text="x")])
    with pytest.raises(TargetFailed, match="once"):
        workshop.build([act("a", "write", text="another question")])
    assert workshop.build([act("a", "write", text="another question")]) == {"a": "built"}
    assert workshop.build([act("a", "write", text="x")]) == {"a": "built"}
    assert not (workshop.layout.state / "work" / "a").exists()


def test_of_scratch_of_other_questions_only_the_last_waits(workshop, act):
    def stops(job, report):
        (job.scratch / "large").touch()
        raise TargetFailed("stopped")

    workshop.calls.steps["stop"] = stops
    for text in "xyz":
        with pytest.raises(TargetFailed, match="stopped"):
            workshop.build([act("a", "stop", text=text)])
    assert len(list((workshop.layout.state / "work" / "a").glob("*/scratch/large"))) == 2


def test_what_is_told_beside_the_params_reruns_nothing(workshop, act):
    told = []
    workshop.calls.steps["keep"] = lambda job, report: (told.append(job.params), (job.out / "x").touch())
    asked = replace(act("a", "keep", size=1), beside={"checkpoints": 2})
    assert workshop.build([asked]) == {"a": "built"}
    assert told == [{"size": 1, "checkpoints": 2}]
    assert workshop.build([replace(asked, beside={"checkpoints": 5})]) == {"a": "fresh"}


def test_the_record_keeps_what_was_noted_and_read(workshop, act):
    def noting(job, report):
        report.note("cpu", "avx2")
        (job.out / "x").write_text("x")

    workshop.calls.steps["write"] = noting
    workshop.build([act("a", "write"), act("b", "join", "a")])
    assert workshop.record("a").notes == {"cpu": "avx2"}
    assert [file.path for file in workshop.record("b").inputs["text"]] == ["x"]


def test_an_input_edited_while_it_is_read_fails_the_reader(workshop, act):
    def meddle(job, report):
        (job.inputs["text"] / "text").write_text("edited")
        (job.out / "x").write_text("x")

    workshop.calls.steps["meddle"] = meddle
    with pytest.raises(TargetFailed) as error:
        workshop.build([act("a", "write", text="kept"), act("b", "meddle", "a")])
    assert str(error.value) == "error: the input `text` of `b` was edited while it was read"


def test_folders_that_are_links_are_refused(workshop, act, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    workshop.layout.build.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError) as error:
        workshop.build([act("a", "write", text="x")])
    assert str(error.value) == (
        "error: `build` is a symbolic link, and nothing is written through links\n\n"
        "hint: remove it; to keep files on another disk, move the whole project or cache there"
    )
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_project_that_cannot_be_written_is_the_environments_fault(workshop, act):
    workshop.layout.build.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot read or write build in the project: File exists"):
        workshop.build([act("a", "write", text="x")])


def test_a_project_that_cannot_hold_our_state_is_too(workshop, act):
    workshop.layout.state.write_text("a file where the folder should be")
    with pytest.raises(UserError) as error:
        workshop.build([act("a", "write", text="x")])
    assert str(error.value) == (
        "error: cannot read or write .sparsebuild in the project: File exists\n\n"
        f"hint: check who owns {workshop.layout.root}, and that its disk is not read-only"
    )


def test_a_record_that_somebody_edited_is_none(workshop, act):
    workshop.build([act("a", "write", text="x")])
    path = workshop.layout.state / "records" / "a.json"
    data = json.loads(path.read_text())
    data["document"]["params"]["text"] = "y"
    path.write_text(json.dumps(data))
    assert workshop.why([act("a", "write", text="y")], "a") == ["never built"]


def test_a_second_run_waits_and_then_finds_the_work_done(workshop, chain):
    begun, waited = threading.Event(), threading.Event()
    first = type(workshop)(workshop.layout.root, workshop.layout.root.parent / "cache")
    write = first.calls.steps["write"]
    first.calls.steps["write"] = lambda job, report: (begun.set(), waited.wait(10), write(job, report))
    thread = threading.Thread(target=first.build, args=(chain(),))
    thread.start()
    begun.wait(10)
    told = []

    def sink(event):
        told.append(event)
        if isinstance(event, events.Waiting):
            waited.set()

    assert workshop.build(chain(), sink=sink) == FRESH
    thread.join()
    assert (told[0].pid, len(first.calls.jobs)) == (os.getpid(), 3)


def test_told_not_to_wait_it_says_who_holds_the_project(workshop, chain):
    with held(workshop.layout, print, wait=True), pytest.raises(HeldByAnotherRun) as error:
        in_thread(lambda: workshop.build(chain(), wait=False))
    assert f"another run holds this project: process {os.getpid()} on " in str(error.value)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_that_knows_no_locks_is_told_once_and_built_on(workshop, chain, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    assert set(workshop.build(chain()).values()) == {"built"}
    told = [event.message for event in workshop.events if isinstance(event, events.Log) and event.level == "warning"]
    assert told == ["this disk knows no locks: start no second run of this project meanwhile"]
    with take_part(worker_lock(workshop.layout)):
        pass


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("moment", ["TargetDecided", "TargetStarted", "TargetFinished"])
def test_a_sink_that_fails_stops_the_run_and_fails_no_target(workshop, chain, moment, jobs):
    def sink(event):
        workshop.events.append(event)
        if type(event).__name__ == moment:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        workshop.build(chain(), sink=sink, jobs=jobs)
    assert type(workshop.events[-1]).__name__ == moment
    assert [decision.failed for decision in workshop.forecast(chain()).values()] == ["", "", ""]
    assert "failed" not in workshop.build(chain()).values()


def in_thread(work):
    """Call `work` in another thread and raise what it raises."""
    raised = []

    def target():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_ctrl_c_ends_the_run_and_the_next_one_finishes(workshop, chain):
    def interrupted(job, report):
        raise KeyboardInterrupt

    first_word = workshop.calls.steps["first-word"]
    workshop.calls.steps["first-word"] = interrupted
    with pytest.raises(Interrupted) as error:
        workshop.build(chain())
    assert error.value.exit_code == 130
    assert workshop.outcomes() == {"words": "built", "first": "interrupted", "end": "skipped"}
    workshop.calls.steps["first-word"] = first_word
    assert workshop.build(chain()) == {"words": "fresh", "first": "built", "end": "built"}
