"""Where an action is worked on, and what a try that did not succeed leaves there.

    .sparsebuild/work/<name>/
        before.json         the record as it was before: it still tells how long a building took, and what was noted
        failed              what the last try said, if it failed
        <question>.<try>/
            out/            new at each try; its files become the outputs
            scratch/        stays for a step that can go on after a stop: while the question does, and, of the try at
                            another question that was stopped last, until that is asked again or `clean`
            notes.json      what the step noted
            aside/          what stood in the action's folder, while `out` takes its place
            begun           tells this folder from one that somebody made in its place

Each try moves the folder of the one before it to a name of its own. Whoever may still be at work there (a worker that
outlives its run by a moment, a second run where the disk's locks do not hold) finds nothing under its paths any more,
so that no two ever write to the same files; and if it makes the folders again that it misses, `is_ours` sees it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sparsebuild.atomic import refuse_links, write_bytes
from sparsebuild.engine import record as records
from sparsebuild.engine.blame import is_full
from sparsebuild.engine.record import Record
from sparsebuild.engine.report import append
from sparsebuild.errors import UserError
from sparsebuild.layout import ProjectLayout
from sparsebuild.reading import read_small

__all__ = [
    "Work",
    "before",
    "begin",
    "begin_log",
    "delete",
    "end",
    "fail",
    "failure",
    "log_file",
    "records_folder",
    "work_folder",
]

_BEFORE = "before"
_FAILED = "failed"
_LONGEST_MESSAGE = 1_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Work:
    """One try at one question."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def notes(self) -> Path:
        return self.folder / "notes.json"

    @property
    def aside(self) -> Path:
        return self.folder / "aside"

    @property
    def begun(self) -> Path:
        return self.folder / "begun"

    @property
    def is_ours(self) -> bool:
        """Whether no other try has taken the folder over; if so, all that was written here is still here."""
        return self.begun.exists()


def begin(layout: ProjectLayout, name: str, question: str, *, anew: bool = False) -> Work:
    """Take back the record of `name` and make room for a try at `question`.

    What an earlier try at the same question left in `scratch` is there again, unless `anew`. What the last try at
    another left there waits until that is asked again: settings that are tried out for a moment cost no training. The
    rest is removed.
    """
    home = work_folder(layout, name)
    refuse_links(layout.root, home)
    home.mkdir(parents=True, exist_ok=True)
    records.move(records_folder(layout), name, home, _BEFORE)
    work = Work(home / f"{question[:16]}.{os.urandom(4).hex()}")
    waiting = None
    for other in sorted(home.iterdir(), key=_touched, reverse=True):
        is_folder, again = other.is_dir() and not other.is_symlink(), other.name.startswith(question[:16])
        if is_folder and again and not anew and not work.folder.exists():
            other.rename(work.folder)
        elif is_folder and not again and not waiting and _has_scratch(other):
            waiting = other.rename(home / f"{other.name[:16]}.{os.urandom(4).hex()}")
        elif other.name != f"{_BEFORE}.json":
            delete(other)
    if waiting:
        for stale in (Work(waiting).begun, Work(waiting).out, Work(waiting).aside):
            delete(stale)
    _clear(work)
    return work


def fail(layout: ProjectLayout, name: str, message: str) -> None:
    """Remember why the try at `name` failed, beside what it left.

    On a full disk what it left of its outputs goes, as it would stand in the way of everything else.
    """
    home = work_folder(layout, name)
    with contextlib.suppress(OSError, UserError):  # it may have failed because nothing can be written
        refuse_links(layout.root, home)
        try:
            write_bytes(home / _FAILED, message.encode(), durable=False)
        except OSError as error:
            if not is_full(error):
                raise
            for out in home.glob("*/out"):
                delete(out)
            write_bytes(home / _FAILED, message.encode(), durable=False)
        append(log_file(layout, name), f"error: {message}")


def failure(layout: ProjectLayout, name: str) -> str:
    """What the last try at `name` said, if it failed and nothing was done since; else nothing."""
    try:
        return read_small(work_folder(layout, name) / _FAILED, _LONGEST_MESSAGE).decode(errors="replace")
    except (OSError, UserError):
        return ""


def before(layout: ProjectLayout, name: str) -> Record | None:
    """The record that `begin` took back, while the work it began for has not succeeded."""
    return records.read(work_folder(layout, name), _BEFORE)


def end(layout: ProjectLayout, name: str, work: Work) -> None:
    """Remove all that trying left, but for what waits of another question; the record is written."""
    with contextlib.suppress(OSError):  # mostly there is no more than this, which is quicker than to look
        work.begun.unlink()
        work.scratch.rmdir()
        work.folder.rmdir()
    delete(work.folder)
    home = work_folder(layout, name)
    for told in (home / f"{_BEFORE}.json", home / _FAILED):
        delete(told)
    with contextlib.suppress(OSError):
        home.rmdir()


def log_file(layout: ProjectLayout, name: str) -> Path:
    """What the last try at `name` printed and said; it stays when the work folder goes."""
    return layout.state / "logs" / f"{name}.log"


def begin_log(layout: ProjectLayout, name: str) -> Path:
    """The log, empty."""
    log = log_file(layout, name)
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    log.touch(exist_ok=False)
    return log


def records_folder(layout: ProjectLayout) -> Path:
    return layout.state / "records"


def work_folder(layout: ProjectLayout, name: str) -> Path:
    """Where tries at the action `name` work."""
    return layout.state / "work" / name


def delete(path: Path) -> None:
    """Remove what stands at `path`, if anything does; a symbolic link is removed, not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _has_scratch(folder: Path) -> bool:
    scratch = Work(folder).scratch
    return scratch.is_dir() and not scratch.is_symlink() and any(scratch.iterdir())


def _touched(path: Path) -> float:
    return path.lstat().st_mtime


def _clear(work: Work) -> None:
    work.folder.mkdir(exist_ok=True)
    for stale in (work.begun, work.out):
        delete(stale)
    work.begun.touch(exist_ok=False)
    work.out.mkdir()
    if work.scratch.is_symlink():
        work.scratch.unlink()
    work.scratch.mkdir(exist_ok=True)
