"""Several downloads at once; what they say and how far they are is told by the thread that waits for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

__all__ = ["Teller", "in_parallel"]

_EVERY = 0.1  # seconds between two tellings of progress


class Teller:
    """What a piece of work speaks through, from whichever thread it runs in."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[str | int | BaseException | None] = SimpleQueue()
        self._stopped = threading.Event()

    def say(self, sentence: str) -> None:
        self._queue.put(sentence)

    def advance(self, count: int) -> None:
        """So much more is done; less than zero for what has to be done again."""
        self._queue.put(count)

    def is_stopped(self) -> bool:
        """Whether the work is no longer wanted."""
        return self._stopped.is_set()


def in_parallel(
    work: Sequence[Callable[[Teller], None]],
    at_once: int,
    *,
    say: Callable[[str], None],
    progress: Callable[[int], None],
) -> None:
    """Do all of `work`. The first failure stops the rest, and is raised; so does Ctrl-C.

    The threads are daemons: one that waits for a server does not keep a stopped program alive.
    """
    tell, waiting = Teller(), deque(work)
    workers = min(at_once, len(waiting))
    for _ in range(workers):
        threading.Thread(target=_worker, args=(waiting, tell), daemon=True).start()
    done = told = 0
    try:
        while workers:
            try:
                heard = tell._queue.get(timeout=_EVERY)
            except Empty:
                heard = 0
            if isinstance(heard, BaseException):
                raise heard
            if heard is None:
                workers -= 1
            elif isinstance(heard, str):
                say(heard)
            else:
                done += heard
                if done != told and tell._queue.empty():
                    progress(done)
                    told = done
    finally:
        tell._stopped.set()


def _worker(waiting: deque[Callable[[Teller], None]], tell: Teller) -> None:
    while not tell.is_stopped():
        try:
            act = waiting.popleft()
        except IndexError:
            tell._queue.put(None)
            return
        try:
            act(tell)
        except BaseException as error:
            tell._queue.put(error)
            return
