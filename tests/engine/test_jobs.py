"""Several jobs at once: the same results and the same story as with one."""

import threading
from dataclasses import replace

import pytest

from sparsebuild import events
from sparsebuild.errors import GateFailed, Interrupted, TargetFailed


@pytest.fixture
def meet(workshop):
    """A step `meet` that goes on only once it runs twice at the same time."""
    both = threading.Barrier(2)

    def step(job, report):
        both.wait(20)
        (job.out / "text").write_text(job.name)

    workshop.calls.steps["meet"] = step


def test_disjoint_actions_are_worked_on_at_the_same_time(workshop, act, meet):
    actions = [act("a", "meet", n=1), act("b", "meet", n=2), act("c", "join", "a", "b")]
    assert workshop.build(actions, jobs=2) == {"a": "built", "b": "built", "c": "built"}
    assert workshop.text("build/c/text") == "a b"


def test_only_one_at_a_time_works_with_a_resource(workshop, act):
    inside = threading.Semaphore(1)

    def alone(job, report):
        assert inside.acquire(blocking=False)
        report.log("working")
        (job.out / "text").write_text("x")
        inside.release()

    workshop.calls.steps["alone"] = alone
    actions = [replace(act(f"a{n}", "alone", n=n), resource="device") for n in range(20)]
    assert set(workshop.build(actions, jobs=4).values()) == {"built"}


def test_it_leaves_what_one_job_leaves(workshop, act, tmp_path):
    actions = [act("a0", "write", text="x")]
    actions += [act(f"a{n}", "join", f"a{(n - 1) // 2}", end=str(n)) for n in range(1, 40)]
    workshop.build(actions, jobs=5)
    (tmp_path / "other").mkdir()
    other = type(workshop)(tmp_path / "other", tmp_path / "other cache")
    other.build(actions)
    texts = [[shop.text(f"build/a{n}/text") for n in range(40)] for shop in (workshop, other)]
    assert texts[0] == texts[1]
    assert set(workshop.build(actions, jobs=5).values()) == {"fresh"}


def test_events_come_one_at_a_time_and_the_last_one_last(workshop, act):
    told, telling = [], threading.Lock()

    def sink(event):
        assert telling.acquire(blocking=False)
        told.append(event)
        telling.release()

    actions = [act(f"a{n}", "write", text=str(n)) for n in range(30)]
    outcomes = workshop.build(actions, jobs=4, sink=sink)
    assert (type(told[0]), type(told[-1])) == (events.RunStarted, events.RunFinished)
    assert list(outcomes) == [f"a{n}" for n in range(30)] == list(told[-1].outcomes)
    for name in outcomes:
        story = [type(event) for event in told if getattr(event, "target", "") == name]
        assert story == [events.TargetDecided, events.TargetStarted, events.TargetFinished]


def test_a_failure_lets_the_other_job_end_and_begins_nothing_new(workshop, act):
    begun, failed = threading.Event(), threading.Event()

    def hear(event):
        workshop.events.append(event)
        if isinstance(event, events.TargetFinished) and event.target == "a":
            failed.set()

    def fail(job, report):
        begun.wait(20)
        raise TargetFailed("no")

    def outlast(job, report):
        begun.set()
        failed.wait(20)
        (job.out / "text").write_text("done")

    workshop.calls.steps |= {"fail": fail, "outlast": outlast}
    actions = [act("a", "fail"), act("b", "outlast"), act("c", "join", "a"), act("d", "join", "b")]
    with pytest.raises(TargetFailed, match="no"):
        workshop.build(actions, jobs=2, sink=hear)
    assert workshop.outcomes() == {"a": "failed", "b": "built", "c": "skipped", "d": "skipped"}


def test_keep_going_goes_on_in_all_jobs(workshop, act):
    actions = [act("z", "write", text="long")]
    actions += [act(f"bad{n}", "gate", "z", most=n) for n in (1, 2)]
    actions += [act(f"ok{n}", "join", "z", end=str(n)) for n in (1, 2)]
    with pytest.raises(GateFailed) as error:
        workshop.build(actions, jobs=3, keep_going=True)
    assert len(error.value.problems) == 2
    assert [workshop.outcomes()[name] for name in ("bad1", "bad2", "ok1", "ok2")] == ["failed"] * 2 + ["built"] * 2


def test_a_stop_ends_the_steps_of_all_jobs_at_their_next_word(workshop, act):
    talking = threading.Event()

    def talk(job, report):
        while True:
            report.progress(1, 2, "files")
            talking.set()

    def interrupted(job, report):
        talking.wait(20)
        raise KeyboardInterrupt

    workshop.calls.steps |= {"talk": talk, "interrupted": interrupted}
    with pytest.raises(Interrupted):
        workshop.build([act("a", "talk"), act("b", "interrupted")], jobs=2)
    assert workshop.outcomes() == {"a": "interrupted", "b": "interrupted"}
    assert isinstance(workshop.events[-1], events.RunFinished)
