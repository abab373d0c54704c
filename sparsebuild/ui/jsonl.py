"""A run as JSON lines: one event a line, for programs."""

from __future__ import annotations

import json
from typing import TextIO

from sparsebuild.events import Event, to_json

__all__ = ["JsonLines"]


class JsonLines:
    """Every event, as `events.to_json` has it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def close(self) -> None:
        """Nothing to put back."""

    def __call__(self, event: Event) -> None:
        """Write one line. ASCII only, so that no terminal and no encoding can trip over a name."""
        self._stream.write(json.dumps(to_json(event)) + "\n")
        self._stream.flush()
