"""A run as events, a clock that is set by hand, and a terminal that keeps what it was sent."""

import io

import pytest

from sparsebuild.events import (
    Log,
    Metric,
    Progress,
    RunFinished,
    RunStarted,
    TargetDecided,
    TargetFinished,
    TargetStarted,
)


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def run():
    """Three targets: one is fresh, one is built, one fails."""
    return [
        RunStarted(project="tiny", targets=("prepare", "train", "eval")),
        TargetDecided(target="prepare", verdict="fresh"),
        TargetFinished(target="prepare", outcome="fresh"),
        TargetDecided(target="train", verdict="stale", reasons=("`learning_rate` changed: 5e-05 → 0.0001",)),
        TargetStarted(target="train"),
        Progress(target="train", done=40, total=100, unit="steps", fields={"epoch": 2.0, "loss": 0.25}),
        Log(target="train", message="ranges are \x1b[31m[bold]fixed[/bold]", level="warning"),
        Metric(target="train", name="f1", value=0.5668),
        TargetFinished(target="train", outcome="built", seconds=75),
        TargetDecided(target="eval", verdict="stale", reasons=("never built",)),
        TargetStarted(target="eval"),
        TargetFinished(target="eval", outcome="failed", seconds=1.2, message="told below, with its frame"),
        RunFinished(seconds=76.4, outcomes={"prepare": "fresh", "train": "built", "eval": "failed"}),
    ]
