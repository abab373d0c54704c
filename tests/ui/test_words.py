"""ui/words.py: the closing line."""

import pytest

from sparsebuild.events import RunFinished, TargetFinished
from sparsebuild.ui.words import finished, summary


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (["fresh"], "nothing to do: 1 target up to date (3.0 s)"),
        (["built", "restored", "fresh"], "done in 3.0 s: 1 built, 1 restored from the store, 1 up to date"),
        (["built", "failed", "skipped"], "failed after 3.0 s: 1 built, 1 failed, 1 skipped"),
        (["built", "interrupted", "skipped"], "interrupted after 3.0 s: 1 built, 1 skipped, 1 interrupted"),
    ],
)
def test_the_summary_says_how_it_went_and_counts(outcomes, told):
    assert summary(RunFinished(seconds=3, outcomes={str(k): v for k, v in enumerate(outcomes)})) == told


def test_a_skipped_target_says_why():
    assert finished(TargetFinished(target="eval", outcome="skipped", message="it needs `train`")) == (
        "skipped: it needs `train`"
    )
