"""Holding a project, so that two runs never work on it at once; and stopping when a signal says so."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from sparsebuild.atomic import refuse_links, sweep, write_bytes
from sparsebuild.engine.blame import blame_environment
from sparsebuild.engine.work import records_folder
from sparsebuild.errors import HeldByAnotherRun, Interrupted
from sparsebuild.events import Event, Log, Sink, Waiting
from sparsebuild.layout import ProjectLayout, mark_as_cache
from sparsebuild.reading import read_json

__all__ = [
    "Signals",
    "Unheard",
    "heard",
    "held",
    "knows_no_locks",
    "stoppable",
    "take_part",
    "telling",
    "worker_lock",
]

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


@contextlib.contextmanager
def held(layout: ProjectLayout, sink: Sink, *, wait: bool) -> Iterator[None]:
    """Hold the project for the block. Where another run does: wait and say for whom, or raise HeldByAnotherRun.

    The kernel lets go of the lock when its process dies, however it dies.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.callback(os.close, _hold(layout, sink, wait))
            for folder in (layout.state, records_folder(layout)):
                sweep(folder)
            _let_workers_end(worker_lock(layout), sink)
            write_bytes(_holder(layout), json.dumps(_me()).encode(), durable=False)
        except OSError as error:
            raise blame_environment(error, layout) from error
        yield


class Signals:
    """What came in from outside."""

    stop = False  # Ctrl-C or SIGTERM; true before anybody hears of it by an exception

    def terminate(self, *_: object) -> NoReturn:
        self.stop = True
        raise _Terminated

    def interrupt(self, *_: object) -> NoReturn:
        self.stop = True
        raise KeyboardInterrupt


@contextlib.contextmanager
def stoppable() -> Iterator[Signals]:
    """Turn Ctrl-C and SIGTERM inside the block into Interrupted, with the exit code that shells expect."""
    signals = Signals()
    before = {}
    if threading.current_thread() is threading.main_thread():  # only there may a handler be set
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, signals.terminate)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and is not ignored, as under nohup
            before[signal.SIGINT] = signal.signal(signal.SIGINT, signals.interrupt)
    try:
        yield signals
    except _Terminated:
        raise Interrupted(exit_code=143) from None
    except KeyboardInterrupt:
        raise Interrupted(exit_code=130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


class Unheard(KeyboardInterrupt):
    """The sink failed: nobody may listen any more. As an interrupt, it is no failure of the step that spoke."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def telling(sink: Sink) -> Sink:
    """`sink`, which raises Unheard where it fails."""

    def tell(event: Event) -> None:
        try:
            sink(event)
        except Exception as error:
            raise Unheard(error) from error

    return tell


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Raise what a sink raised in the block, once all work there has stopped for it."""
    try:
        yield
    except Unheard as unheard:
        raise unheard.cause from None


def worker_lock(layout: ProjectLayout) -> Path:
    """What workers hold while they live: one whose run was killed may outlive it by a moment, and still write."""
    return layout.state / "worker.lock"


@contextlib.contextmanager
def take_part(lock: Path) -> Iterator[None]:
    """Hold `lock` together with all other workers for the block; a run that comes after waits until none does."""
    descriptor = _open(lock)
    try:
        _flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def knows_no_locks(error: OSError) -> bool:
    """Whether it was not the lock that somebody else holds, but that the disk has none."""
    return error.errno in _NO_LOCKS


def _flock(descriptor: int, how: int) -> bool:
    """Take a lock; whether the disk knows any."""
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        if not knows_no_locks(error):
            raise
        return False
    return True


def _hold(layout: ProjectLayout, sink: Sink, wait: bool) -> int:
    """The descriptor of the project's lock, which is held until it is closed."""
    for folder in ("records", "work", "logs"):
        refuse_links(layout.root, layout.state / folder)
    mark_as_cache(layout.state)
    while True:
        descriptor = _open(layout.state / "lock")
        try:
            if not _take(descriptor, layout, sink, wait):  # nothing rests on it but that no work is done twice
                told = "this disk knows no locks: start no second run of this project meanwhile"
                sink(Log(message=told, level="warning"))
                return descriptor
            if os.fstat(descriptor).st_nlink:  # else it was removed while we waited, and is another one's by now
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _take(descriptor: int, layout: ProjectLayout, sink: Sink, wait: bool) -> bool:
    """Take the project's lock, waiting if need be; whether the disk knows any."""
    try:
        return _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second on some network disks
        _wait_or_refuse(_read_holder(_holder(layout)), sink, wait)
        return _flock(descriptor, fcntl.LOCK_EX)


def _holder(layout: ProjectLayout) -> Path:
    return layout.state / "lock.holder"


class _Terminated(KeyboardInterrupt):
    """SIGTERM; a KeyboardInterrupt, so that no `except Exception` on the way takes it for an error."""


def _wait_or_refuse(holder: Waiting, sink: Sink, wait: bool) -> None:
    if not wait:
        raise HeldByAnotherRun(
            f"another run holds this project: process {holder.pid} on {holder.host}, since {holder.since}",
            hint="leave out --no-wait to wait for it",
        )
    sink(holder)


def _let_workers_end(lock: Path, sink: Sink) -> None:
    descriptor = _open(lock)
    try:
        _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sink(Log(message="waiting for the worker of a stopped run to end"))
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _open(lock: Path) -> int:
    return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)


def _me() -> dict[str, int | str]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": os.uname().nodename, "since": since}


def _read_holder(file: Path) -> Waiting:
    try:
        data = read_json(file)
        return Waiting(pid=int(data["pid"]), host=str(data["host"]), since=str(data["since"]))
    except (OSError, ValueError, KeyError, TypeError):  # it has the lock and did not yet say who it is
        return Waiting(pid=0, host="unknown", since="a moment ago")
