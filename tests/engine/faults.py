"""Stopping a process at a chosen moment, and losing what it had not yet brought to the disk.

Python tells of each C function right before it calls it, and what is written to the disk from Python is written by one.
A child that dies at its n-th call of those that can change a file, for every n there is, therefore dies between any
two system calls that matter. Each such moment has a name: the functions of ours that are at work, and the call.
"""

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

import filelock  # noqa: F401 no child shall be busy importing it

import sparsebuild

OURS = str(Path(sparsebuild.__file__).parent) + os.sep
OF_THE_SYSTEM = {
    "chmod", "close", "copy_file_range", "fchmod", "fdatasync", "fsync", "ftruncate", "link", "mkdir", "open", "remove",
    "rename", "replace", "rmdir", "sendfile", "symlink", "truncate", "unlink", "utime", "write",
}  # fmt: skip
END = "the end"  # the moment after the last
OF_A_STREAM = {"__exit__", "close", "flush", "open", "truncate", "write", "writelines"}


def points(work):
    """Do `work` in a child to its end; the names of all moments at which it could have been stopped."""
    ending, said = _in_child(work, lambda number, name: name)
    assert ending == 0, "the work did not come to its end"
    return said


def choice(names, every):
    """The moments to stop at: of the names each `every`-th; on a long walk every moment there is, by its number."""
    return range(len(names)) if "SPARSEBUILD_STEPS" in os.environ else sorted(set(names))[::every]


def stopped_at(moment, work, how=signal.SIGKILL):
    """Do `work` in a child that gets the signal `how` at the moment of that name, or of that number.

    How it ended, as `os.waitpid` says.
    """
    return _in_child(work, lambda *at: os.kill(os.getpid(), how) if moment in at else None)[0]


def killed_at(moment, work):
    """Whether a child that does `work` came to that moment, where it was killed."""
    ending = stopped_at(moment, work)
    assert ending in (0, signal.SIGKILL)
    return ending == signal.SIGKILL


def cut_at(moment, work):
    """As `killed_at`, but by the power: the (inode, size, mtime) that had been brought to the disk, or None.

    A number past the last moment is the end.
    """
    synced = []

    def cut(*at):
        if moment in at:
            os.write(_mouth, b"".join(json.dumps(identity).encode() + b"\n" for identity in synced))
            os.kill(os.getpid(), signal.SIGKILL)

    def heard_work():
        for call in ("fsync", "fdatasync"):
            setattr(os, call, lambda descriptor: synced.append(identity(os.fstat(descriptor))))
        work()
        cut(END, moment if isinstance(moment, int) else END)

    ending, said = _in_child(heard_work, cut)
    assert ending in (0, signal.SIGKILL)
    return {tuple(file) for file in said} if ending == signal.SIGKILL else None


def identity(stat):
    """Tells two states of files apart, as far as bringing them to the disk is concerned."""
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


_mouth = -1  # of a child: where it may write lines of JSON


def _in_child(work, moment):
    """Fork, and call `moment(number, name)` at each moment of `work`; how that ended, and what `moment` said."""
    global _mouth
    ear, _mouth = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ear)
        os._exit(_watched(work, moment))
    os.close(_mouth)
    with os.fdopen(ear) as said:
        lines = said.read().splitlines()
    return os.waitpid(child, 0)[1], [json.loads(line) for line in lines]


def _watched(work, moment):
    count = 0

    def profile(frame, event, function):
        nonlocal count
        if event == "c_call" and _changes_files(function):
            number, count = count, count + 1
            answer = moment(number, f"{_at_work(frame)}: {function.__name__}")
            if answer is not None:
                os.write(_mouth, json.dumps(answer).encode() + b"\n")

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        work()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BaseException as error:
        sys.setprofile(None)
        traceback.print_exc()
        return getattr(error, "exit_code", 1)
    return 0


def _changes_files(function):
    module = getattr(function, "__module__", None) or type(getattr(function, "__self__", None)).__module__
    if module == "posix":
        return function.__name__ in OF_THE_SYSTEM
    return (module in ("_io", "io") and function.__name__ in OF_A_STREAM) or module == "fcntl"


def _at_work(frame):
    names = []
    while frame:
        if frame.f_code.co_filename.startswith(OURS):
            names.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return " > ".join(reversed(names[:4]))
