"""The sources of a build and their files, as trees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from sparsebuild.lock import LockedSource
from sparsebuild.ui.figures import count, size
from sparsebuild.ui.inert import one_line
from sparsebuild.ui.paint import painter

__all__ = ["Source", "show"]

_FACTS = ("resolved", "version", "commit", "licence", "trust")  # of a lock's source, in the order of telling
_MOST = 20  # files told by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source of the lock, and what it is to this project."""

    locked: LockedSource
    used_by: tuple[str, ...]  # targets
    absent: int  # bytes that would have to be downloaded

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.locked.files)


def show(sources: Sequence[Source], stream: TextIO) -> None:
    """Write a tree for each source, and what they weigh together."""
    paint = painter(stream)
    for source in sources:
        stream.write(f"{paint(one_line(source.locked.name), 'bold')}  {one_line(source.locked.request)}\n")
        facts, files = list(_facts(source)), list(_files(source))
        used_by = f"used by {', '.join(source.used_by) or 'nothing'}"
        lines = [f"├── {fact}" for fact in facts]
        lines += [f"│   {'└' if file is files[-1] else '├'}── {file}" for file in files]
        stream.write("".join(f"{line}\n" for line in [*lines, f"└── {used_by}"]))
    total = sum(source.size for source in sources)
    number = sum(len(source.locked.files) for source in sources)
    stream.write(f"{count(len(sources), 'source')}, {count(number, 'file')}, {size(total)}\n")


def _facts(source: Source) -> Iterator[str]:
    """What the lock says, and last the number of files, under which they are drawn."""
    for name in _FACTS:
        if said := getattr(source.locked, name):
            yield f"{name} {one_line(said)}"
    absent = f", {size(source.absent)} to download" if source.absent else ""
    yield f"{count(len(source.locked.files), 'file')}, {size(source.size)}{absent}"


def _files(source: Source) -> Iterator[str]:
    files = source.locked.files
    for file in files[:_MOST]:
        yield f"{one_line(file.path)}  {size(file.size)}"
    if len(files) > _MOST:
        yield f"and {len(files) - _MOST:,} more; `--json` names all"
