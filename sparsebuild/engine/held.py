"""Holding a project, so that two runs never work on it at once; and stopping when a signal says so."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sparsebuild.engine.atomic import write_bytes
from sparsebuild.errors import HeldByAnotherRun, Interrupted, UserError
from sparsebuild.events import Log, Sink, Waiting
from sparsebuild.layout import ProjectLayout, mark_as_cache

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["held", "refuse_links", "stoppable", "worker_lock"]


@contextlib.contextmanager
def held(layout: ProjectLayout, sink: Sink, *, wait: bool) -> Iterator[None]:
    """Hold the project for the block. Where another run does: wait and say for whom, or raise HeldByAnotherRun.

    The kernel lets go of the lock when its process dies, however it dies.
    """
    from filelock import FileLock  # 40 ms, and nobody needs it to look at a project

    for folder in ("records", "work", "logs"):
        refuse_links(layout.root, layout.state / folder)
    try:
        mark_as_cache(layout.state)
    except OSError as error:
        raise UserError(f"cannot write in the project: {error.strerror}", hint="check who owns the folder") from error
    holder = layout.state / "lock.holder"
    project = FileLock(layout.state / "lock")
    if not _take(project):
        _wait_or_refuse(_read_holder(holder), sink, wait)
        project.acquire()
    try:
        _let_worker_end(FileLock(worker_lock(layout)), sink)
        write_bytes(holder, json.dumps(_me()).encode())
        yield
    finally:
        project.release()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM inside the block into Interrupted, with the exit code that shells expect."""
    main = threading.current_thread() is threading.main_thread()  # only there may a handler be set
    before = signal.signal(signal.SIGTERM, _terminate) if main else None
    try:
        yield
    except _Terminated:
        raise Interrupted(exit_code=143) from None
    except KeyboardInterrupt:
        raise Interrupted(exit_code=130) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def worker_lock(layout: ProjectLayout) -> Path:
    """What a worker holds while it lives: one whose run was killed may outlive it by a moment, and still write."""
    return layout.state / "worker.lock"


def refuse_links(root: Path, folder: Path) -> None:
    """Raise UserError if a part of `folder` below `root` is a symbolic link: it could lead anywhere."""
    for path in (folder, *folder.parents):
        if path == root:
            return
        if path.is_symlink():
            name = path.relative_to(root).as_posix()
            raise UserError(
                f"`{name}` is a symbolic link, and nothing is written through links",
                hint="remove it; to keep builds on another disk, move the project there",
            )


class _Terminated(KeyboardInterrupt):
    """SIGTERM; a KeyboardInterrupt, so that no `except Exception` on the way takes it for an error."""


def _terminate(*_: object) -> NoReturn:
    raise _Terminated


def _take(lock: FileLock) -> bool:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _wait_or_refuse(holder: Waiting, sink: Sink, wait: bool) -> None:
    if not wait:
        raise HeldByAnotherRun(
            f"another run holds this project: process {holder.pid} on {holder.host}, since {holder.since}",
            hint="leave out --no-wait to wait for it",
        )
    sink(holder)


def _let_worker_end(lock: FileLock, sink: Sink) -> None:
    if not _take(lock):
        sink(Log(message="waiting for the worker of a stopped run to end"))
        lock.acquire()
    lock.release()


def _me() -> dict[str, int | str]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _read_holder(file: Path) -> Waiting:
    try:
        return Waiting(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):  # it has the lock and did not yet say who it is
        return Waiting(pid=0, host="unknown", since="a moment ago")
