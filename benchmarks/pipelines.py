"""The pipelines that every tool is given: stages that read files and write one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["LEAF", "RATE", "ROWS", "WEIGHTS", "Stage", "chains", "five_stages", "pipeline", "root", "write_sources"]

LENGTH = 10  # stages of a chain
WEIGHTS, ROWS, RATE, LEAF = "weights.bin", "rows.txt", "rate.txt", "leaf.txt"


class Stage(NamedTuple):
    """Writes `build/NAME/data` from what it reads, put together as `how` says."""

    name: str
    how: str  # "copy" all, "head": the first 4 kB of each, "bare": without the lines that begin with #
    reads: tuple[str, ...] = ()  # stages
    sources: tuple[str, ...] = ()  # files of the project

    @property
    def output(self) -> str:
        return f"build/{self.name}/data"

    @property
    def inputs(self) -> list[str]:
        """Paths, in the order in which they are put together."""
        return [*self.sources, *(f"build/{name}/data" for name in self.reads)]


def five_stages() -> Iterator[Stage]:
    """A model's build in small: the weights are large, all that comes of them is not."""
    yield Stage("fetch", "copy", sources=(WEIGHTS,))
    yield Stage("prepare", "bare", sources=(ROWS,))
    yield Stage("train", "head", reads=("fetch", "prepare"), sources=(RATE,))
    yield Stage("eval", "head", reads=("train", "prepare"))
    yield Stage("export", "copy", reads=("train",))


def chains(size: int) -> Iterator[Stage]:
    """`size` stages in chains of ten. Each chain has a source; the last stage of all reads one of its own, too."""
    for number in range(size):
        chain, place = divmod(number, LENGTH)
        own = (LEAF,) if number == size - 1 else ()
        if place:
            yield Stage(f"t{number}", "head", reads=(f"t{number - 1}",), sources=own)
        else:
            yield Stage(f"t{number}", "head", sources=(root(chain), *own))


def root(chain: int) -> str:
    """The source of a chain."""
    return f"in/{chain}.txt"


def pipeline(name: str) -> Iterator[Stage]:
    """`five`, or the number of stages in chains."""
    return five_stages() if name == "five" else chains(int(name))


def write_sources(name: str, folder: Path, weights_bytes: int) -> None:
    """Make the files that the pipeline `name` begins with."""
    folder.mkdir(parents=True)
    if name == "five":
        (folder / ROWS).write_text("# rows\nAda wrote\n")
        (folder / RATE).write_text("0.1\n")
        block = bytes(range(256)) * 4096
        with (folder / WEIGHTS).open("wb") as file:
            for _ in range(weights_bytes // len(block)):
                file.write(block)
        return
    (folder / LEAF).write_text("leaf\n")
    (folder / "in").mkdir()
    for chain in range((int(name) + LENGTH - 1) // LENGTH):
        (folder / root(chain)).write_text(f"{chain}\n")
