"""How sparse, and when."""

from __future__ import annotations

import pytest

from sparsebuild.numerics.sparsity_schedule import clock, event_steps, first_step, ramp_steps, reached, sparsity_at


@pytest.mark.parametrize(
    ("curve", "values"),
    [
        ("linear", [0.05, 0.25, 0.45, 0.65, 0.85]),
        ("cubic", [0.05, 0.5125, 0.75, 0.8375, 0.85]),
        ("inverse_cubic", [0.05, 0.12315176, 0.21503958, 0.34603158, 0.85]),
    ],
)
def test_curves_at_quarters(curve: str, values: list[float]) -> None:
    assert [sparsity_at(k / 4, 0.05, 0.85, curve) for k in range(5)] == pytest.approx(values, abs=1e-8)


def test_ends_are_exact() -> None:
    for curve in ("linear", "cubic", "inverse_cubic"):
        assert [sparsity_at(x, 0.1, 0.7, curve) for x in (-1.0, 0.0, 1.0, 1.5)] == [0.1, 0.1, 0.7, 0.7]


def test_the_clock_adds_whole_epochs_and_the_part() -> None:
    assert [clock(k, 4) for k in (0, 1, 4, 11)] == [0.0, 0.25, 1.0, 2.75]


def test_a_mark_is_reached_despite_rounding() -> None:
    assert reached(0.3, 0.1 + 0.2)
    assert not reached(0.29, 0.3)
    assert reached(0.0, -1)


@pytest.mark.parametrize(("mark", "step"), [(-1, 0), (0, 0), (0.25, 1), (0.3, 2), (1.0, 4), (2.9, 12)])
def test_the_first_step_of_a_mark(mark: float, step: int) -> None:
    assert first_step(mark, 4) == step


@pytest.mark.parametrize(
    ("start", "end", "frequency", "events"),
    [
        (0.0, 2.0, 0.5, (0, 2, 4, 6, 8)),
        (0.5, 2.0, 1.0, (2, 6, 8)),
        (0.5, 1.25, -1, (2, 3, 4, 5)),
        (0.3, 2.0, 0.3, (2, 4, 6, 8)),  # each waits for a whole step, and counts from there
        (0.0, 3.0, 1.0, (0, 4, 8, 11)),  # the end is not reached: the last step stands for it
        (0.0, 9.0, 2.0, (0, 8, 11)),
        (-1, 0.1, 5, (0, 1)),
        (2.75, 3.0, 0.5, (11,)),
        (3.0, 4.0, 0.5, ()),
    ],
)
def test_masks_change_at_start_every_so_often_and_at_the_end(start, end, frequency, events) -> None:
    assert event_steps(start, end, frequency, 4, 11) == events


def test_events_do_not_drift_from_the_grid_of_tenths() -> None:
    assert event_steps(0.0, 1.0, 0.1, 30, 59) == tuple(range(0, 31, 3))


@pytest.mark.parametrize(
    ("start", "end", "steps"),
    [(0.12, 1.1, (10, 20, 22)), (0.0, 1.0, (0, 10, 20)), (0.5, 3.0, (10, 20, 30, 39)), (1.94, 9, (39,)), (2, 3, ())],
)
def test_a_ramp_by_steps_keeps_to_multiples_and_ends_at_its_end(start, end, steps) -> None:
    """20 steps an epoch, two epochs."""
    assert ramp_steps(start, end, 10, 20, 39) == steps
