"""What is told of a project and its model before any work is done."""

import json
import struct

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


def weights(project, *names):
    """Give the model a header of these tensors."""
    header = json.dumps({name: {"dtype": "F32", "shape": [16, 16], "data_offsets": [0, 0]} for name in names}).encode()
    (project / "model" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def test_a_quantization_without_a_linear_of_the_model_is_refused_before_training(project, sparsebuild):
    weights(project, "embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight")
    told = '`export.scheme` is "portable", which writes int8, but the recipe has no QuantizationModifier that quantizes'
    for inside, is_refused in (("bert.embeddings", True), ("bert.encoder.layer.0", False)):
        (project / "recipe.yaml").write_text(
            f"modifiers:\n  - !QuantizationModifier {{start_epoch: 0.0, submodules: [{inside}]}}\n"
        )
        ran = sparsebuild("-C", project, "lock")
        assert (ran.code == 2, told in ran.err) == (is_refused, is_refused)


def test_weights_that_arrive_with_8_bits_are_refused_for_portable(project, sparsebuild):
    (project / "model" / "structure.json").write_text('{"linears": ["classifier"], "weight_levels": 127}')
    ran = sparsebuild("-C", project, "lock")
    assert (ran.code, ran.out) == (2, "")
    assert "the model that training starts from is quantized, with weights of 8 bits that stay so" in ran.err
    assert sparsebuild("-C", project, "lock", "--set", "export.scheme=ort-cpu").code == 0
