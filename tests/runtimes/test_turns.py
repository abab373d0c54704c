"""runtimes/turns.py: files in processes of their own, timed in turns."""

import os
import sys
from statistics import median

import pytest

from sparsebuild import runtimes
from sparsebuild.errors import TargetFailed
from sparsebuild.runtimes.turns import Feed, in_turns, opened, percentile

RUNTIME = """
import os, time

def version():
    if os.path.exists({gone!r}):
        import a_module_that_nobody_has
    if os.path.exists({torn!r}):
        raise ImportError("/home/ada/lib/libgomp.so.1: cannot open shared object file")
    return "1.0"

def open_model(path, threads):
    print("a runtime that talks")
    return open(path).read()

def feed(model, batches):
    def run(batch):
        def go():
            if model == "broken":
                raise ValueError("no such\\noperator in /home/ada/models/a.onnx")
            if model == "dies":
                os._exit(9)
            time.sleep(float(model) * batch[0].shape[0])
        return go
    return [run(batch) for batch in batches]
"""


@pytest.fixture
def contest(tmp_path, monkeypatch):
    """Opens files that hold how many seconds a sentence takes, in a runtime that sleeps."""
    (tmp_path / "sleeps.py").write_text(RUNTIME.format(gone=str(tmp_path / "gone"), torn=str(tmp_path / "torn")))
    monkeypatch.setitem(runtimes.RUNTIMES, "sleeps", str(tmp_path / "sleeps.py"))

    def contest(python=sys.executable, **models):
        files = []
        for name, text in models.items():
            (tmp_path / name).write_text(text)
            files.append(("sleeps", name, tmp_path / name))
        return opened(files, {"sleeps": python}, 1, (tmp_path / "log").open("a"))

    contest.folder = tmp_path
    return contest


def test_each_file_is_timed_as_often_as_the_others(contest):
    with contest(quick="0.002", slow="0.004") as entrants:
        times = in_turns(entrants, Feed(name="2x3", batches=[[[1, 2, 3], [4, 5, 6]]]), seconds=0.1)
    assert len(times[0]) == len(times[1]) >= 5
    assert 1.5 < median(times[1]) / median(times[0]) < 2.5
    assert "a runtime that talks" in (contest.folder / "log").read_text()


def test_sentences_are_timed_once_each(contest):
    with contest(quick="0.0001") as entrants:
        times = in_turns(entrants, Feed(name="sentences", batches=[[[1] * n] for n in (3, 4, 5)]), seconds=9)
    assert len(times[0]) == 3


def test_a_runtime_that_is_not_here_is_named_once_and_nothing_is_timed(contest):
    (contest.folder / "gone").touch()
    with contest(one="0", other="0") as entrants:
        assert [e.missing for e in entrants] == ["No module named 'a_module_that_nobody_has'"] * 2
        assert in_turns(entrants, Feed(name="1x1", batches=[[[1]]]), seconds=1) == [[], []]


def test_why_a_runtime_is_not_here_is_told_without_folders(contest):
    (contest.folder / "torn").touch()
    with contest(one="0") as entrants:
        assert entrants[0].missing == "libgomp.so.1: cannot open shared object file"


def test_an_interpreter_that_cannot_be_started_is_a_runtime_that_is_not_here(contest):
    with contest(python="/nowhere/python", one="0") as entrants:
        assert entrants[0].missing == "its interpreter cannot be started: No such file or directory"


def test_a_file_that_cannot_run_is_left_out_and_the_others_are_timed(contest):
    with contest(bad="broken", good="0") as entrants:
        times = in_turns(entrants, Feed(name="1x1", batches=[[[1]]]), seconds=0.01)
    assert (times[0], entrants[0].failed) == ([], "ValueError: no such operator in a.onnx")
    assert len(times[1]) >= 5


def test_a_process_that_goes_away_is_an_error_that_says_of_what(contest):
    with contest(bad="dies") as entrants, pytest.raises(TargetFailed, match="sleeps went away while it had `bad`"):
        in_turns(entrants, Feed(name="1x1", batches=[[[1]]]), seconds=0.01)


def test_no_process_outlives_the_contest(contest):
    with contest(one="0", other="0") as entrants:
        pids = [entrant.process.pid for entrant in entrants]
        assert all(entrant.ask(memory=True)["bytes"] < 1 << 30 for entrant in entrants)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_percentiles_lie_between_neighbours():
    assert (percentile([3.0], 0.95), percentile([4.0, 1.0, 2.0, 3.0], 0.5), percentile([0.0, 10.0], 0.95)) == (
        3,
        2.5,
        9.5,
    )
