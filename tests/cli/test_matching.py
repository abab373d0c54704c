"""What is told of a project and its model before any work is done."""

import pytest

LONG = """error: `bench.shapes` has 1x128, but the model reads at most 32 pieces

hint: write shapes that it reads under `[bench]` in sparse.toml, as `shapes = ["1x32"]`
"""


@pytest.mark.parametrize(
    "words",
    [
        ("bench",),
        ("bench", "--profile-layers"),
        ("run", "report"),
        ("run", "fetch", "-f", "bench"),
        ("run", "--set", 'gate.speedup=">= 2"'),
    ],
)
def test_shapes_that_the_model_does_not_read_are_refused_before_it_is_trained(words, project, sparsebuild):
    ran = sparsebuild("-C", project, *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(LONG)
    assert not (project / "build").exists()


def test_shapes_are_nothing_to_who_times_nothing(project, sparsebuild):
    assert sparsebuild("-C", project, "run", "fetch").code == 0
    assert "bench.shapes" not in sparsebuild("-C", project, "run", "prepare").err
