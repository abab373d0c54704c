"""ui/jsonl.py: a run for programs."""

import io
import json

from sparsebuild.events import to_json
from sparsebuild.ui.jsonl import JsonLines


def test_the_events_can_be_read_back(run):
    stream = io.StringIO()
    fold = JsonLines(stream)
    for event in run:
        fold(event)
    assert stream.getvalue().splitlines() == [json.dumps(to_json(event)) for event in run]
    assert stream.getvalue().isascii()
