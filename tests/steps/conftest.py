"""Jobs for steps, run in this process with a report that only listens."""

from dataclasses import dataclass, field

import pytest

from sparsebuild.engine.job import Job


@dataclass
class Listener:
    """A report that remembers."""

    metrics: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)

    def progress(self, done, total, unit, **fields):
        pass

    def metric(self, name, value):
        self.metrics[name] = value

    def log(self, message, level="info"):
        self.lines.append(message)

    def note(self, key, value):
        self.notes[key] = value


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def make_job(tmp_path):
    def make(step, params=None, **inputs):
        for name in ("out", "scratch"):
            (tmp_path / name).mkdir(exist_ok=True)
        return Job(
            name=step,
            step=step,
            params=params or {},
            inputs=inputs,
            out=tmp_path / "out",
            scratch=tmp_path / "scratch",
            log=tmp_path / "log",
            root=tmp_path,
        )

    return make
