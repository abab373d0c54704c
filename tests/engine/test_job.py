"""A job's trip through JSON."""

import json
from pathlib import Path

from sparsebuild.engine.action import File
from sparsebuild.engine.job import Job


def test_round_trip():
    job = Job(
        name="train",
        step="train",
        params={"a": [1, {"b": None}]},
        inputs={"model": Path("/p/build/fetch/model")},
        sources={"data": (File(path="x", size=1, sha256="0"),), "recipe": "1"},
        out=Path("/p/out"),
        scratch=Path("/p/scratch"),
        log=Path("/p/log"),
        root=Path("/p"),
        notes={"threads": 2},
    )
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
