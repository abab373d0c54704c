"""ui/jsonl.py: a run for programs."""

import io
import json

from sparsebuild.events import from_json
from sparsebuild.ui.jsonl import JsonLines


def test_the_events_can_be_read_back(run):
    stream = io.StringIO()
    fold = JsonLines(stream)
    for event in run:
        fold(event)
    assert [from_json(json.loads(line)) for line in stream.getvalue().splitlines()] == run
    assert stream.getvalue().isascii()
