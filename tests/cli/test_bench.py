"""`bench --profile-layers`, and a budget of time from the recipe to what `bench` says of it."""

import json

import pytest

pytestmark = pytest.mark.slow

RECIPE = """\
training_modifiers:
  - !EpochRangeModifier {start_epoch: 0.0, end_epoch: 1.0}
structured_modifiers:
  - !StructuredPruningModifier {targets: {latency: 0.5}, minimum: {ffn: 32}}
"""
TABLES = """
[export]
scheme = "fp32"

[bench]
runtimes = ["onnxruntime"]
shapes = ["1x32"]
seconds = 0.2
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory, write_project, put_weights):
    """A model whose neurons take most of the time."""
    folder = tmp_path_factory.mktemp("wide")
    write_project(folder)
    config = json.loads((folder / "model" / "config.json").read_text())
    (folder / "model" / "config.json").write_text(json.dumps({**config, "hidden_size": 64, "intermediate_size": 4096}))
    (folder / "recipe.yaml").write_text(RECIPE)
    manifest = (folder / "sparse.toml").read_text().partition("[gate]")[0]
    (folder / "sparse.toml").write_text(manifest + TABLES)
    put_weights(folder / "model")
    return folder


def test_shapes_are_chosen_by_kernel_times_and_held_against_what_is_measured(project, sparsebuild):
    table = sparsebuild("-C", project, "bench", "--profile-layers", "--json", "--quiet")
    assert table.code == 0, table.err
    assert table.json["encoder"] == {"layers": 2, "heads": 2, "neurons": 4096}
    ran = sparsebuild("-C", project, "bench", "--json")
    assert ran.code == 0, ran.err
    assert "profile: never built" not in ran.err  # the table is the one that was measured before
    estimate = ran.json["estimate"]
    assert (estimate["asked"], estimate["shape"]) == (0.5, "1x32")
    assert 0.3 < estimate["estimated"] <= 0.5
    assert estimate["measured"] > 0  # by the clock, of a machine that may be busy
    structure = json.loads((project / "build/train/model/structure.json").read_text())
    kept = structure["budget"]
    assert kept["estimate"] == estimate["estimated"]
    assert (kept["cpu"], kept["runtime"], kept["scheme"]) == (table.json["cpu"], "onnxruntime", "fp32")
    assert all(32 <= shape["neurons"] < 4096 for shape in structure["layers"].values())
    assert ran.json["said"][0].startswith(f"At 1x32 the export takes {estimate['measured']:.3f} of")


def test_tables_are_shown_and_measured_again_where_that_is_asked(project, sparsebuild):
    before = (project / "build/profile/layers.json").read_text()
    shown = sparsebuild("-C", project, "bench", "--profile-layers", "--quiet")
    assert "   4096" in shown.out
    assert "1 thread; 1x32, scheme fp32, onnxruntime" in shown.out
    assert (project / "build/profile/layers.json").read_text() == before
    assert sparsebuild("-C", project, "bench", "--profile-layers", "--again", "--quiet").code == 0
    assert (project / "build/profile/layers.json").read_text() != before
    reasons = sparsebuild("-C", project, "why", "train").out
    assert "input `profile` changed" in reasons
