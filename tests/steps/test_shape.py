"""steps/shape.py: how large a network is and was, from the files beside its weights."""

import json

import pytest

from sparsebuild.steps.shape import is_as_large, shape_of

BERT = {
    "model_type": "bert",
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
}
DISTIL = {"model_type": "distilbert", "dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 96}


def model(folder, config, **structure):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    if structure:
        (folder / "structure.json").write_text(json.dumps(structure))
    return folder


def shape(folder):
    return shape_of(folder / "config.json", folder / "structure.json")


@pytest.mark.parametrize("config", [BERT, DISTIL])
def test_a_network_of_which_nothing_was_cut_is_as_its_config_says(tmp_path, config):
    found = shape(model(tmp_path / "m", config, masked={}))
    assert (found.whole, found.is_whole, found.layers) == ((2, 4, 96), True, [(4, 96)] * 2)


def test_what_was_cut_out_stands_in_the_structure_and_layers_are_in_their_order(tmp_path):
    layers = {f"bert.encoder.layer.{n}": {"heads": 2, "neurons": 10 + n} for n in (10, 2, 0, 1, *range(3, 10))}
    cut = {"layers": layers, "dense": {"layers": 12, "heads": 4, "neurons": 96}}
    found = shape(model(tmp_path / "m", {**BERT, "num_hidden_layers": 11}, **cut))
    assert (found.whole, found.is_whole) == ((12, 4, 96), False)
    assert found.layers == [(2, 10 + n) for n in range(11)]
    assert found.left == (11, 22, 165)


def test_a_config_that_does_not_say_it_is_no_shape(tmp_path):
    assert shape(model(tmp_path / "m", {"model_type": "other"})) is None


def test_a_teacher_is_the_dense_model_if_that_is_what_was_cut(tmp_path):
    cut = {"layers": {"layer.0": {"heads": 2, "neurons": 24}}, "dense": {"layers": 2, "heads": 4, "neurons": 96}}
    student = model(tmp_path / "student", {**BERT, "num_hidden_layers": 1}, **cut)
    assert is_as_large(model(tmp_path / "same", BERT), student)
    assert not is_as_large(model(tmp_path / "wider", {**BERT, "hidden_size": 96}), student)
    assert not is_as_large(model(tmp_path / "longer", {**BERT, "num_hidden_layers": 4}), student)
    assert not is_as_large(student, student)
