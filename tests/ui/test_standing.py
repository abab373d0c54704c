"""ui/standing.py: how targets stand."""

import io

from sparsebuild.cli.forecast import Estimate, estimate
from sparsebuild.engine.explain import Decision
from sparsebuild.engine.staleness import Reason
from sparsebuild.ui import standing

CHANGED = Reason(kind="param", subject="learning_rate", old="5e-05", new="0.0001", where="sparse.toml:31")
STALE = Decision(
    action="train", verdict="stale", reasons=(CHANGED, Reason(kind="library", subject="torch", new="2.13"))
)
WAITS = Decision(action="eval", verdict="may-run", waiting_for=("train",))
FRESH = Decision(action="prepare", verdict="fresh")


def test_one_target_tells_all_its_reasons():
    stream = io.StringIO()
    standing.show_one(STALE, stream)
    assert stream.getvalue() == (
        "→ train has to run\n"
        "  `learning_rate` changed: 5e-05 → 0.0001 (sparse.toml:31)\n"
        "  library torch was added: 2.13\n"
    )


def test_a_target_that_waits_says_for_what():
    stream = io.StringIO()
    standing.show_one(WAITS, stream)
    assert stream.getvalue() == "? eval may have to run\n  that rests on what `train` will leave\n"


def test_the_table_has_a_row_each_and_counts():
    stream = io.StringIO()
    standing.show_all([FRESH, STALE, WAITS], Estimate(), stream)
    rows = [line.split() for line in stream.getvalue().splitlines() if line.strip()]
    assert rows[0] == ["✓", "prepare", "up", "to", "date"]
    assert rows[1][:5] == ["→", "train", "has", "to", "run"]
    assert rows[1][-1] == "(+1)"
    assert rows[-1] == ["1", "of", "3", "targets", "up", "to", "date"]


def shown(*decisions):
    stream = io.StringIO()
    standing.show_all(decisions, estimate(decisions), stream)
    return [" ".join(line.split()) for line in stream.getvalue().splitlines() if line.strip()]


def test_each_way_to_stand_has_its_word():
    never = Decision(action="a", verdict="stale", reasons=(Reason(kind="never-built"),))
    failed = Reason(kind="failed", subject="loss is not finite")
    rows = shown(
        never,
        Decision(action="b", verdict="stale", reasons=(failed,), failed="loss is not finite", seconds=70.0),
        Decision(action="c", verdict="stale", reasons=(CHANGED,), restorable=True, seconds=70.0),
        Decision(action="d", verdict="may-run", waiting_for=("b", "c"), seconds=2.0),
    )
    assert rows == [
        "→ a never built",
        "✗ b failed 1 min 10 s the last try failed: loss is not finite",
        "→ c in the store 1 min 10 s `learning_rate` changed: 5e-05 → 0.0001 (sparse.toml:31)",
        "? d may have to run 2.0 s waiting for `b`, `c`",
        "0 of 4 targets up to date; a run takes about 1 min 10 s, and 1 min 12 s if all runs that may, "
        "without `a`: never timed",
    ]


def test_what_only_a_run_that_names_it_builds_is_shown_and_not_counted():
    stream = io.StringIO()
    known = [Decision(action="bench", verdict="fresh"), Decision(action="report", verdict="stale", reasons=(CHANGED,))]
    standing.show_all([FRESH], Estimate(), stream, on_demand=known)
    assert [" ".join(line.split()) for line in stream.getvalue().splitlines() if line] == [
        "✓ prepare up to date",
        "✓ bench up to date",
        f"· report on demand {CHANGED}; `sparsebuild run report` builds it",
        "1 of 1 target up to date",
    ]


def test_one_target_tells_that_it_failed_and_that_it_can_be_restored():
    stream = io.StringIO()
    both = Decision(action="a", verdict="stale", reasons=(CHANGED,), restorable=True, failed="no\nspace")
    standing.show_one(both, stream)
    assert stream.getvalue().splitlines()[2:] == [
        "  the last try failed: no space",
        "  the store has the answer: a run only has to restore it",
    ]
