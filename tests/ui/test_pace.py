"""ui/pace.py: how long it still takes."""

import pytest

from sparsebuild.ui.pace import Pace


def watched(*samples):
    pace = Pace()
    for now, done in samples:
        pace.saw(now, done)
    return pace


def test_an_even_pace_is_carried_on():
    assert watched((0, 0), (5, 10), (10, 20)).left(100) == pytest.approx(40)


def test_the_rate_is_that_of_the_last_minute_however_many_samples_there_are():
    pace = watched(*((t / 100, t) for t in range(10_000)))
    assert pace.rate == pytest.approx(100, rel=0.01)
    assert len(pace._samples) < 1000


def test_what_was_done_before_a_resumed_run_does_not_count_as_speed():
    assert watched((0, 900), (10, 910)).left(1000) == pytest.approx(90)


def test_another_unit_is_another_watch():
    pace = watched((0, 0), (5, 10))
    pace.saw(10, 600, "gradients")
    assert pace.rate is None
    pace.saw(20, 700, "gradients")
    assert pace.rate == pytest.approx(10)


def test_only_the_last_minute_counts():
    fast_then_slow = [(t, 10 * t) for t in range(100)] + [(100 + t, 1000 + t) for t in range(120)]
    assert watched(*fast_then_slow).left(1219) == pytest.approx(100)


@pytest.mark.parametrize("samples", [[], [(0, 0)], [(0, 0), (0.5, 1)], [(0, 5), (9, 5)]])
def test_nothing_is_said_where_nothing_is_known(samples):
    assert watched(*samples).left(10) is None


def test_going_back_starts_the_watch_afresh():
    assert watched((0, 0), (10, 90), (11, 5)).left(100) is None
