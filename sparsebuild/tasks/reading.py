"""The sentences of a split's files in batches; of large files in a process of its own.

Reading rows takes as long as cutting their words, and Python runs on one core of a process. Which process reads changes
neither a sentence nor a complaint.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import Connection

from sparsebuild.tasks.complaints import Complaints
from sparsebuild.tasks.rows import DataFile
from sparsebuild.tasks.sentences import Columns, Sentence, read_sentences

__all__ = ["Batch", "Reading"]

_TOGETHER = 1000  # sentences
_LARGE = 1 << 24  # bytes; fewer are read in a second or two, of which little could be saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some sentences, and what was seen since the batch before."""

    sentences: Sequence[Sentence]  # none in the last batch
    bytes_read: int  # of the files, packed as they are
    complaints: Complaints


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is to be read, and how."""

    files: Sequence[DataFile]
    columns: Columns
    declared: Sequence[str] | None  # label table

    def batches(self, *, apart: bool | None = None) -> Iterator[Batch]:
        """All sentences in the order of the files.

        `apart`: whether by a process of its own; None is for large files, where there is a second core.
        """
        if apart is None:
            apart = self._size() > _LARGE and len(os.sched_getaffinity(0)) > 1
        return self._from_apart() if apart else self._here()

    def _size(self) -> int:
        return sum(file.path.stat().st_size for file in self.files)

    def _here(self) -> Iterator[Batch]:
        bytes_read, complaints = 0, Complaints()

        def saw(count: int) -> None:
            nonlocal bytes_read
            bytes_read += count

        files = [replace(file, seen=saw) for file in self.files]
        remaining = read_sentences(files, self.columns, self.declared, complaints)
        while True:
            sentences, told = [*islice(remaining, _TOGETHER)], Complaints()
            told.take(complaints)
            yield Batch(sentences=sentences, bytes_read=bytes_read, complaints=told)
            bytes_read = 0
            if not sentences:
                return

    def _from_apart(self) -> Iterator[Batch]:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_send, args=(self, theirs), daemon=True)
        process.start()
        theirs.close()
        try:
            while batch := ours.recv():
                yield batch
        except EOFError:
            process.join()
            names = ", ".join(file.name for file in self.files)
            raise RuntimeError(f"the process that reads {names} ended with {process.exitcode}") from None
        finally:
            ours.close()
            process.kill()
            process.join()


def _send(reading: Reading, to: Connection) -> None:
    """The other process: reads one batch ahead, since the next is read while this one is worked on."""
    try:
        for batch in reading.batches(apart=False):
            to.send(batch)
        to.send(None)
    except BrokenPipeError:  # whoever asked has gone
        return
