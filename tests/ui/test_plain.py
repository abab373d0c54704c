"""ui/plain.py: a run as lines of text."""

import io

from sparsebuild.events import Progress, RunFinished, TargetFinished, TargetStarted, Waiting
from sparsebuild.ui.plain import Plain, Quiet


def told(fold, events):
    for event in events:
        fold(event)


def test_a_run_is_one_line_per_change(run, clock):
    stream = io.StringIO()
    told(Plain(stream, clock), run)
    assert stream.getvalue() == (
        "train: `learning_rate` changed: 5e-05 → 0.0001\n"
        "train: warning: ranges are [bold]fixed[/bold]\n"
        "train: F1 0.5668\n"
        "train: built in 1 min 15 s\n"
        "eval: never built\n"
        "eval: failed after 1.2 s\n"
        "\n"
        "target  what happened        time  why\n"
        "──────────────────────────────────────────────────────────────────────────\n"
        "train   built          1 min 15 s  `learning_rate` changed: 5e-05 → 0.0001\n"
        "eval    failed              1.2 s  told below, with its frame\n"
        "\n"
        "failed after 1 min 16 s: 1 built, 1 up to date, 1 failed\n"
    )


def test_progress_is_told_by_tenths_and_not_too_often(clock):
    stream = io.StringIO()
    fold = Plain(stream, clock)
    fold(TargetStarted(target="train"))
    for done in range(1, 101):
        clock.now = done * 1.0
        fold(Progress(target="train", done=done, total=100, unit="steps", fields={"loss": 0.5}))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "train: 10 % of 100 steps, loss 0.5000, about 1 min 30 s left"


def test_a_slow_target_is_heard_of_once_a_minute(clock):
    stream = io.StringIO()
    fold = Plain(stream, clock)
    fold(TargetStarted(target="train"))
    for done in range(1, 181):
        clock.now = done * 1.0
        fold(Progress(target="train", done=done, total=10_000, unit="steps"))
    assert len(stream.getvalue().splitlines()) == 3


def test_a_download_is_told_in_bytes_with_its_rate(clock):
    stream = io.StringIO()
    fold = Plain(stream, clock)
    for clock.now, done in ((0, 0), (2, 4_000_000), (6, 12_000_000)):
        fold(Progress(target="fetch@model", done=done, total=90_300_000, unit="bytes"))
    assert stream.getvalue() == "fetch@model: 13 % of 90.3 MB, 2.0 MB/s, about 39 s left\n"


def test_of_a_download_without_an_end_it_is_told_what_has_come(clock):
    stream = io.StringIO()
    fold = Plain(stream, clock)
    for clock.now in (0, 30, 60):
        fold(Progress(target="lock", done=clock.now * 1e6, total=0, unit="bytes"))
    assert stream.getvalue() == "lock: 60.0 MB, 1.0 MB/s\n"


def test_nothing_to_do_is_one_line():
    stream = io.StringIO()
    finished = (TargetFinished(target=name, outcome="fresh") for name in ("a", "b"))
    told(Plain(stream), [*finished, RunFinished(seconds=0.12, outcomes={"a": "fresh", "b": "fresh"})])
    assert stream.getvalue() == "nothing to do: 2 targets up to date (0.1 s)\n"


def test_a_waiting_run_says_for_whom():
    stream = io.StringIO()
    Plain(stream)(Waiting(pid=4711, host="box\x1b[2J", since="2026-01-01T10:00:00+00:00"))
    assert stream.getvalue() == (
        "waiting for another run (process 4711 on box, since 2026-01-01T10:00:00+00:00); Ctrl-C stops waiting\n"
    )


def test_quiet_tells_only_what_goes_wrong(run):
    stream = io.StringIO()
    told(Quiet(stream), run)
    assert stream.getvalue() == "train: warning: ranges are [bold]fixed[/bold]\neval: failed after 1.2 s\n"
