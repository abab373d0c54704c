"""ui/standing.py: how targets stand."""

import io

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
    standing.show_all([FRESH, STALE, WAITS], stream)
    rows = [line.split() for line in stream.getvalue().splitlines() if line.strip()]
    assert rows[0] == ["✓", "prepare", "up", "to", "date"]
    assert rows[1][:5] == ["→", "train", "has", "to", "run"]
    assert rows[1][-1] == "(+1)"
    assert rows[-1] == ["1", "of", "3", "targets", "up", "to", "date"]
