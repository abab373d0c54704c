"""ui/schedule.py: a recipe's schedule, drawn."""

import io

import pytest

from sparsebuild.modifiers.base import Phase
from sparsebuild.ui import schedule


@pytest.mark.parametrize(
    ("stretch", "drawn"),
    [
        ((0, 10, 10), "━━━━━━━━━━"),
        ((5, 10, 10), "·····━━━━━"),
        ((3, 3, 10), "···━······"),
        ((10, 10, 10), "·········━"),
        ((8, 20, 10), "········━━"),
        ((0, 0, 0), "━━━━━━━━━━"),
    ],
)
def test_a_stretch_is_seen_however_short(stretch, drawn):
    assert schedule.bar(*stretch, width=10) == drawn


def test_a_phase_is_a_row():
    stream = io.StringIO()
    schedule.show([Phase(modifier="Pruning", start=0.5, end=-1, value="0 % → 80 %")], 6, stream)
    row = stream.getvalue().splitlines()[-2]
    assert row.split() == ["Pruning", "0.5", "–", "6", "··━━━━━━━━━━━━━━━━━━━━━━", "0", "%", "→", "80", "%"]
