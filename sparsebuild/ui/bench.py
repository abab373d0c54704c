"""What `bench` measured: a table of times, one of sizes, and what zeros buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from sparsebuild.ui import table
from sparsebuild.ui.figures import count, share, size
from sparsebuild.ui.inert import one_line
from sparsebuild.ui.table import Cell

__all__ = ["show"]


def show(bench: Mapping[str, Any], stream: TextIO) -> None:
    """Write all that was measured."""
    stream.write(f"{bench['cpu']}, {count(bench['threads'], 'thread')}, in turns in one run\n\n")
    rows = [_row(timing) for timing in bench["timings"]]
    heads = ("runtime", "shape", "file", "median", "p95", "sentences/s", "× dense fp32")
    table.write(rows, stream, heads=heads, right=range(3, 7))
    stream.write("\n")
    memory: dict[str, list[str]] = {}
    for one in bench["memory"]:
        memory.setdefault(one["model"], []).append(f"{size(one['bytes'])} in {one['runtime']}")
    sizes = [
        (f["name"], size(f["bytes"]), size(f["bytes_zstd"]), share(f["zeros"]), ", ".join(memory.get(f["name"], ())))
        for f in bench["files"]
    ]
    table.write(sizes, stream, heads=("file", "size", "zstd", "zeros", "memory"), right=(1, 2, 3))
    stream.write("\n" + "".join(f"{one_line(sentence)}\n" for sentence in bench["said"]))


def _row(timing: Mapping[str, Any]) -> Sequence[str | Cell]:
    name = Cell(timing["model"], "bold" if timing["model"] == "export" else "")
    return (
        timing["runtime"],
        timing["shape"],
        name,
        f"{timing['median_ms']:.2f} ms",
        f"{timing['p95_ms']:.2f} ms",
        f"{timing['sentences_per_second']:,.1f}",
        f"{timing['speedup']:.2f}" if "speedup" in timing else "",
    )
