"""Laws of schedules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sparsebuild.modifiers.base import Moment
from sparsebuild.modifiers.learning_rate_function import LearningRateFunction
from sparsebuild.numerics.sparsity_schedule import clock, event_steps, first_step, ramp_steps, reached, sparsity_at

PER_EPOCH = st.integers(1, 40)
EPOCHS = st.integers(1, 6)
MARKS = st.floats(0, 6, allow_nan=False).map(lambda x: round(x, 4))
CURVES = st.sampled_from(["linear", "cubic", "inverse_cubic"])


@given(MARKS, PER_EPOCH)
def test_the_first_step_of_a_mark_is_the_first(mark, per_epoch) -> None:
    step = first_step(mark, per_epoch)
    assert reached(clock(step, per_epoch), mark)
    assert step == 0 or not reached(clock(step - 1, per_epoch), mark)


@given(MARKS, MARKS, st.just(-1.0) | st.floats(0.01, 3), PER_EPOCH, EPOCHS)
def test_events_are_in_order_start_at_the_start_and_reach_the_end(start, end, frequency, per_epoch, epochs) -> None:
    last = per_epoch * epochs - 1
    events = event_steps(start, end, frequency, per_epoch, last)
    assert list(events) == sorted(set(events))
    if events:
        assert events[0] == first_step(start, per_epoch) <= last
        assert events[-1] == max(events[0], min(first_step(end, per_epoch), last))
    else:
        assert first_step(start, per_epoch) > last


@given(MARKS, MARKS, st.integers(1, 12), PER_EPOCH, EPOCHS)
def test_a_ramp_changes_masks_at_multiples_and_at_its_end(start, end, every, per_epoch, epochs) -> None:
    last = per_epoch * epochs - 1
    steps = ramp_steps(start, end, every, per_epoch, last)
    assert list(steps) == sorted(set(steps))
    assert all(step % every == 0 and reached(clock(step, per_epoch), start) for step in steps[:-1])
    assert all(step <= last for step in steps)


@given(st.floats(-1, 2), st.floats(-1, 2), st.floats(0, 1), st.floats(0, 1), CURVES)
def test_sparsity_only_grows_and_stays_between_its_ends(x, y, first, last, curve) -> None:
    low, high = sorted((first, last))
    earlier, later = (sparsity_at(v, low, high, curve) for v in sorted((x, y)))
    assert low - 1e-12 <= earlier <= later + 1e-12
    assert later <= high + 1e-12


@given(
    st.sampled_from(["linear", "cosine", "cyclic_linear"]),
    st.floats(0, 1),
    st.floats(0, 1),
    MARKS,
    st.floats(0.05, 4),
    st.floats(0.01, 3),
    PER_EPOCH,
    st.integers(0, 30),
)
def test_a_rate_lies_between_its_ends_at_every_step(func, first, last, start, length, cycle, per_epoch, warmup) -> None:
    """And is a function of the step alone, so that any split of the steps gives the same rates."""
    spec = LearningRateFunction(
        start_epoch=start,
        end_epoch=start + length,
        lr_func=func,
        init_lr=first,
        final_lr=last,
        cycle_epochs=cycle,
        warmup_steps=warmup,
    )
    rates = [spec.rate(Moment(step=k, steps_per_epoch=per_epoch, epochs=7)) for k in range(per_epoch * 7)]
    begin = first_step(start, per_epoch)
    assert all(rate is None for rate in rates[:begin])
    low = 0.0 if warmup else min(first, last)
    assert all(rate is not None and low - 1e-12 <= rate <= max(first, last) + 1e-12 for rate in rates[begin:])
    assert (
        rates[::-1] == [spec.rate(Moment(step=k, steps_per_epoch=per_epoch, epochs=7)) for k in range(len(rates))][::-1]
    )
