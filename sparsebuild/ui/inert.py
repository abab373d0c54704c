"""Text from others, made harmless to a terminal: labels, file names, messages of libraries."""

from __future__ import annotations

import re

__all__ = ["inert", "one_line"]

# A whole escape sequence goes, not only its first character: CSI (colours, cursor), then OSC (titles, links), then
# the short ones such as "reset".
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]")
# What is left: control characters except tab and newline, and the marks that turn the direction of writing around,
# with which a name can pretend to be another.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def inert(text: str) -> str:
    """`text` without anything that a terminal would obey; its lines stay."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))


def one_line(text: str) -> str:
    """`text` inert and on one line."""
    return " ".join(inert(text).split())
