"""What `profile` measured: the time of a layer's attention by heads, and of its feed-forward part by neurons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from sparsebuild.ui import table
from sparsebuild.ui.figures import count, share

__all__ = ["show"]


def show(profile: Mapping[str, Any], stream: TextIO) -> None:
    """Write both tables, each time also as a share of the dense encoder in float32."""
    times, encoder = profile["milliseconds"], profile["encoder"]
    where = f"{profile['cpu']}, {count(profile['threads'], 'thread')}"
    what = f"{profile['shape']}, scheme {profile['scheme']}, {profile['runtime']} {profile['version']}"
    stream.write(f"{where}; {what}. One layer of {encoder['layers']}:\n")
    for part, counted in (("attention", "heads"), ("neurons", "neurons")):
        rows = [(size, f"{ms:.3f} ms", share(ms / times["dense"])) for size, ms in times[part].items()]
        stream.write("\n")
        table.write(rows, stream, heads=(counted, "time", "of dense fp32"), right=(0, 1, 2))
    stream.write(
        f"\nOutside of layers {times['rest']:.3f} ms; the dense encoder in fp32 takes {times['dense']:.2f} ms.\n"
        "A budget of time in a recipe is kept by these: `targets: {latency: 0.25}` of a StructuredPruningModifier.\n"
    )
