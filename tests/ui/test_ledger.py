"""ui/ledger.py: what a long run came to."""

import io

from sparsebuild.events import RunFinished, TargetFinished
from sparsebuild.ui.ledger import Ledger


def written(events, end):
    ledger, stream = Ledger(), io.StringIO()
    for event in events:
        ledger.note(event)
    ledger.write(end, stream)
    return stream.getvalue()


def test_a_long_run_is_told_again_without_what_was_fresh(run):
    rows = [line.split("  ") for line in written(run, run[-1]).splitlines() if line]
    assert [row[0] for row in rows] == ["target", rows[1][0], "train", "eval"]
    assert rows[2][-1] == "`learning_rate` changed: 5e-05 → 0.0001"


def test_a_short_run_is_not_told_again(run):
    assert written(run, RunFinished(seconds=59, outcomes=run[-1].outcomes)) == ""


def test_a_long_look_at_what_is_fresh_has_no_table():
    assert written([], RunFinished(seconds=99, outcomes={"a": "fresh"})) == ""


def test_what_was_skipped_says_why():
    skipped = TargetFinished(target="gate", outcome="skipped", message="it needs `eval`, which failed")
    assert "it needs `eval`, which failed" in written([skipped], RunFinished(seconds=61, outcomes={"gate": "skipped"}))
