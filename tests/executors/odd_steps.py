"""Steps that do what steps do, and what they should not."""

import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from sparsebuild.errors import DataError, GateFailed, Interrupted, Position, Problem


class LocalGate(GateFailed):
    """A type that only this step knows."""


def tell(job, report):
    """Say one of each, and leave what it was given."""
    report.progress(1, 2, "steps", loss=0.5, phase="warm-up")
    report.metric("f1", 0.9)
    report.log("careful", "warning")
    report.note("threads", 4)
    given = job.to_json()
    (job.out / "job.json").write_text(json.dumps(given))
    sys.stdout.write("printed\n")


def bad_row(job, report):
    position = Position(file="data/train.jsonl", line=3, column=7)
    raise DataError(Problem(message="no tags", position=position, frame="  3 | {}", hint="add some"), "and another")


def gate(job, report):
    raise LocalGate("f1 is 0.3")


def interrupted(job, report):
    raise Interrupted(exit_code=143)


def bug(job, report):
    return {}["no such key"]


def leave(job, report):
    sys.exit("I leave")


def full_disk(job, report):
    raise OSError(28, "No space left on device")


def no_memory(job, report):
    raise MemoryError


def die(job, report):
    """End as `how` says, after a word to the log."""
    sys.stderr.write("last words\n")
    sys.stderr.flush()
    how = job.params["how"]
    if how == "exit":
        os._exit(3)
    if how == "segfault":
        faulthandler._sigsegv()
    os.kill(os.getpid(), signal.SIGKILL)


def where(job, report):
    """The process, what it could import from, and its folder."""
    (job.out / "where.json").write_text(json.dumps([os.getpid(), sys.path, str(Path.cwd())]))


def chatter(job, report):
    """Many large messages, and a thread that goes on when the step has ended."""
    for number in range(50):
        report.log(f"{number} {'x' * 100_000}")

    def go_on():
        for _ in range(500):
            report.log("too late")

    threading.Thread(target=go_on, daemon=True).start()


def sleep(job, report):
    """Tell the process ids, then sleep far longer than any test; with a process of its own, and deaf if asked."""
    if job.params.get("deaf") or (job.root / "deaf").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    report.note("pids", [os.getpid(), other.pid])
    if (job.root / "quick").exists():
        other.kill()
        (job.out / "text").write_text("done")
        return
    report.log("asleep")
    time.sleep(60)


def full_disk_in_words(job, report):
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")  # as safetensors'
