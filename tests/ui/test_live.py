"""ui/live.py: a run on a terminal."""

import re

from rich.console import Console

from sparsebuild.events import Progress, RunFinished, RunStarted, TargetFinished, TargetStarted, Waiting
from sparsebuild.ui.live import Live

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def live(terminal, clock, width=100):
    console = Console(file=terminal, force_terminal=True, width=width, markup=False, emoji=False, highlight=False)
    return Live(terminal, clock, console)


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_what_is_finished_stays_as_lines(run, terminal, clock):
    fold = live(terminal, clock)
    for event in run:
        fold(event)
    seen = plain(terminal.getvalue())
    assert "→ train  `learning_rate` changed: 5e-05 → 0.0001" in seen
    assert "✓ train  built in 1 min 15 s  F1 0.5668" in seen
    assert "✗ eval  failed after 1.2 s" in seen
    assert seen.rstrip().endswith("failed after 1 min 16 s: 1 built, 1 up to date, 1 failed")
    assert "[bold]fixed[/bold]" in seen


def test_the_cursor_is_shown_again(run, terminal, clock):
    fold = live(terminal, clock)
    for event in run[:6]:
        fold(event)
    fold.close()
    fold.close()
    text = terminal.getvalue()
    assert text.count(HIDE) == text.count(SHOW) == 1


def test_the_moving_part_shows_how_far_it_is_and_the_figures(terminal, clock):
    fold = live(terminal, clock)
    fold(TargetStarted(target="train"))
    for clock.now, done in ((0, 0), (10, 40)):
        fields = {"epoch": done / 20, "loss": 0.25, "learning_rate": 1e-4, "sparsity": 0.7}
        fold(Progress(target="train", done=done, total=100, unit="steps", fields=fields))
    fold(Waiting(pid=1, host="box", since="now"))
    fold(TargetStarted(target="other"))
    fold._waiting = ""
    fold._draw()
    seen = plain(terminal.getvalue())
    fold.close()
    assert " 40 % 40 of 100 steps 15 s left" in seen
    assert "epoch 2.00   loss 0.2500   lr 1.0e-04   sparsity 70.0 %" in seen


def test_downloads_show_bytes_rate_and_time_left_several_at_once(terminal, clock):
    fold = live(terminal, clock)
    for clock.now, done in ((0, 0), (10, 40_000_000)):
        for target in ("fetch@model", "fetch@teacher"):
            fold(Progress(target=target, done=done, total=90_300_000, unit="bytes"))
    fold._draw()
    seen = plain(terminal.getvalue())
    fold.close()
    for target in ("fetch@model ", "fetch@teacher "):
        line = next(line for line in reversed(seen.splitlines()) if target in line)
        assert " 44 % 40.0 MB of 90.3 MB, 4.0 MB/s 13 s left" in line


def test_of_a_download_without_an_end_it_is_shown_what_has_come(terminal, clock):
    fold = live(terminal, clock)
    for clock.now, done in ((0, 0), (10, 40_000_000)):
        fold(Progress(target="lock", done=done, total=0, unit="bytes"))
    fold._draw()
    fold.close()
    assert "lock 10 s, 40.0 MB, 4.0 MB/s" in plain(terminal.getvalue())


def test_what_was_downloaded_to_lock_leaves_when_the_run_begins(terminal, clock):
    fold = live(terminal, clock)
    fold(Progress(target="lock", done=1, total=2, unit="bytes"))
    before = len(terminal.getvalue())
    fold(RunStarted(project="tiny", targets=()))
    fold(TargetStarted(target="train"))
    fold.close()
    assert "lock" in plain(terminal.getvalue()[:before])
    assert "train" in (seen := plain(terminal.getvalue()[before:]))
    assert "lock" not in seen


def test_nothing_to_do_moves_no_cursor(terminal, clock):
    fold = live(terminal, clock)
    fold(TargetFinished(target="a", outcome="fresh"))
    fold(RunFinished(seconds=0.1, outcomes={"a": "fresh"}))
    fold.close()
    assert plain(terminal.getvalue()) == "nothing to do: 1 target up to date (0.1 s)\n"
    assert HIDE not in terminal.getvalue()
