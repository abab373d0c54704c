"""What a build would do, told beforehand."""

import pytest

from sparsebuild.digest import text_digest
from sparsebuild.engine.staleness import Reason
from sparsebuild.errors import Interrupted


def test_before_the_first_build(workshop, chain):
    decisions = workshop.forecast(chain())
    assert [(d.action, d.verdict, d.waiting_for) for d in decisions.values()] == [
        ("words", "stale", ()),
        ("first", "stale", ("words",)),
        ("end", "stale", ("first",)),
    ]


def test_looking_writes_nothing(workshop, chain):
    workshop.forecast(chain())
    assert list(workshop.layout.root.iterdir()) == []


def test_what_rests_on_a_stale_target_may_run(workshop, chain):
    workshop.build(chain())
    decisions = workshop.forecast(chain(words="blue"))
    assert decisions["words"].reasons == (Reason(kind="param", subject="text", old='"red green"', new='"blue"'),)
    assert (decisions["first"].verdict, decisions["first"].waiting_for) == ("may-run", ("words",))
    assert (decisions["end"].verdict, decisions["end"].waiting_for) == ("may-run", ("first",))


def test_own_reasons_are_told_even_while_waiting(workshop, chain):
    workshop.build(chain())
    assert workshop.why(chain(words="blue", end="?"), "end") == ['`end` changed: "!" → "?"']


def test_a_try_that_did_not_finish_is_told(workshop, act):
    def stop(job, report):
        raise KeyboardInterrupt

    workshop.calls.steps["write"] = stop
    with pytest.raises(Interrupted):
        workshop.build([act("a", "write")])
    assert workshop.why([act("a", "write")], "a") == ["the last try did not finish"]


def test_changed_input_names_the_file(workshop, chain):
    workshop.build(chain())
    workshop.build(chain(words="blue"), "words")
    old, new = text_digest("red green")[:8], text_digest("blue")[:8]
    assert workshop.why(chain(words="blue"), "first") == [f"input `text` changed: text sha256 {old}… → {new}…"]


def test_what_the_store_has_is_restorable_and_what_reads_it_is_decided(workshop, chain):
    workshop.build(chain())
    workshop.build(chain(words="blue"))
    decisions = workshop.forecast(chain())
    assert [(d.verdict, d.restorable, d.waiting_for) for d in decisions.values()] == [("stale", True, ())] * 3
    outcomes = workshop.build(chain())
    assert set(outcomes.values()) == {"restored"}


def test_a_restorable_target_may_leave_others_fresh(workshop, chain):
    workshop.build(chain(words="red blue"))
    workshop.build(chain(words="red green"))
    decisions = workshop.forecast(chain(words="red blue"))
    told = [(decision.verdict, decision.restorable) for decision in decisions.values()]
    assert told == [("stale", True), ("stale", True), ("fresh", False)]
    assert list(workshop.build(chain(words="red blue")).values()) == ["restored", "restored", "fresh"]


def test_what_is_forced_or_lost_is_not_restorable(workshop, act):
    workshop.build([act("a", "write", text="x")])
    (workshop.layout.build / "a" / "text").unlink()
    assert workshop.forecast([act("a", "write", text="x")])["a"].restorable
    assert not workshop.forecast([act("a", "write", text="x")], force=["a"])["a"].restorable
    workshop.store.path(text_digest("x")).unlink()
    assert not workshop.forecast([act("a", "write", text="x")])["a"].restorable


def test_how_long_it_took_is_known_even_without_a_record(workshop, act):
    workshop.build([act("a", "write", text="x")], clock=iter(range(99)).__next__)
    (workshop.layout.state / "records" / "a.json").unlink()
    assert workshop.forecast([act("a", "write", text="x")])["a"].seconds == 1
    assert workshop.forecast([act("a", "write", text="other")])["a"].seconds is None
