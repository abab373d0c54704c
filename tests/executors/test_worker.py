"""The worker process: what it shares, how it dies, and what is said then."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from sparsebuild.engine.held import worker_lock
from sparsebuild.engine.job import Job
from sparsebuild.errors import GateFailed, TargetFailed
from sparsebuild.executors.worker import Worker
from sparsebuild.layout import ProjectLayout


class Heard(list):
    """A report that keeps what was said."""

    def __getattr__(self, said):
        return lambda *args, **fields: self.append((said, *args, *fields.items()))


@pytest.fixture
def worker(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    worker = Worker(ProjectLayout(tmp_path))
    yield worker
    worker.close()


@pytest.fixture
def job(tmp_path):
    for folder in ("out", "scratch", ".sparsebuild/logs"):
        (tmp_path / folder).mkdir(parents=True)

    def make(**params):
        log = tmp_path / ".sparsebuild/logs/train.log"
        return Job(
            name="train",
            step="train",
            params=params,
            inputs={},
            out=tmp_path / "out",
            scratch=tmp_path / "scratch",
            log=log,
            root=tmp_path,
        )

    return make


def where(worker, job):
    worker.run(job(), "odd_steps:where", Heard())
    return json.loads((job().out / "where.json").read_text())


def test_one_process_serves_all_jobs_until_a_step_fails(worker, job):
    first, again = where(worker, job)[0], where(worker, job)[0]
    assert first == again != os.getpid()
    with pytest.raises(GateFailed):
        worker.run(job(), "odd_steps:gate", Heard())
    assert where(worker, job)[0] != first


def test_a_process_that_was_ended_while_it_waited_is_not_given_the_next_job(worker, job):
    first = where(worker, job)[0]
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # until it has, and is still the worker's to notice
    assert where(worker, job)[0] != first


def test_the_project_is_no_place_to_import_from(worker, job, monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the project')")
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(str(tmp_path))
    _, path, folder = where(worker, job)
    assert folder == str(tmp_path)
    assert not {"", ".", folder} & set(path)


@pytest.mark.parametrize(
    ("how", "message", "hint"),
    [
        ("exit", "the process of `train` ended with exit code 3", "what it printed is in .sparsebuild/logs/train.log"),
        (
            "kill",
            "the process of `train` was ended by SIGKILL",
            "what it printed is in .sparsebuild/logs/train.log; the system may have run out of memory",
        ),
    ],
)
def test_a_death_is_told_with_the_last_words(worker, job, how, message, hint):
    with pytest.raises(TargetFailed) as error:
        worker.run(job(how=how), "odd_steps:die", Heard())
    assert str(error.value) == f"error: {message}\n  | last words\n\nhint: {hint}"


def test_a_crash_leaves_its_stack_in_the_log(worker, job):
    with pytest.raises(TargetFailed, match="was ended by SIGSEGV"):
        worker.run(job(how="segfault"), "odd_steps:die", Heard())
    assert "odd_steps.py" in job().log.read_text()


def test_long_and_late_words(worker, job):
    heard = Heard()
    worker.run(job(), "odd_steps:chatter", heard)
    assert [len(words[1]) > 100_000 for words in heard if words[1] != "too late"] == [True] * 50
    said = len(heard)
    where(worker, job)
    assert len(heard) == said


def test_what_a_step_prints_goes_to_the_log(worker, job, capfd):
    worker.run(job(), "odd_steps:tell", Heard())
    worker.close()
    assert job().log.read_text() == "printed\n"
    assert capfd.readouterr() == ("", "")


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_deaf_step_is_ended_all_the_same(worker, job, monkeypatch):
    monkeypatch.setattr("sparsebuild.executors.worker._PATIENCE", 0.2)
    heard = Heard()
    main = threading.main_thread().ident

    def stop():
        while ("log", "asleep") not in [words[:2] for words in heard]:
            time.sleep(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        worker.run(job(deaf=True), "odd_steps:sleep", heard)
    thread.join()
    deadline = time.monotonic() + 5
    for pid in next(words[2] for words in heard if words[0] == "note"):
        while (alive := is_alive(pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not alive


def test_the_worker_holds_its_lock_while_it_lives(worker, job, tmp_path):
    from filelock import FileLock, Timeout

    where(worker, job)
    lock = FileLock(worker_lock(ProjectLayout(tmp_path)))
    with pytest.raises(Timeout):
        lock.acquire(timeout=0)
    worker.close()
    lock.acquire(timeout=0)
    lock.release()
