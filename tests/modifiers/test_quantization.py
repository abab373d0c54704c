"""Quantization in training."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.modifiers.base import FileGrid
from sparsebuild.training.quantization import observers, quantized_modules

SUBMODULES = "submodules: [module.bert.embeddings, bert.encoder, classifier]"


def entry(**fields: object) -> str:
    given = {"start_epoch": 1.0, "quantize_linear_activations": 0, **fields}
    told = ", ".join(f"{k}: {v}" for k, v in given.items())
    return f"  - !QuantizationModifier {{{told}, {SUBMODULES}}}\n"


def names(training) -> set[str]:
    return {name for name, _ in quantized_modules(training.model)}


def test_modules_are_swapped_at_the_start_and_not_before(training) -> None:
    begun = training(entry()).run(last=4)
    assert names(begun) == set()
    begun.run(first=4, last=5)
    assert {"classifier", "bert.encoder.layer.0.output.dense", "bert.embeddings.word_embeddings"} <= names(begun)
    assert begun.log == [f"QuantizationModifier: {len(names(begun))} modules are quantized from epoch 1 on"]


def test_parts_can_be_left_out(training) -> None:
    text = entry(quantize_embeddings=0, quantize_attention="false", exclude_module_types="[Linear]")
    assert names(training(text).run(last=5)) == set()


def test_weights_have_the_levels_that_the_recipe_says(training) -> None:
    assert training(entry(), fresh=True).run(last=5).model.classifier.weight_levels == 63
    assert training(entry(weight_levels=127), fresh=True).run(last=5).model.classifier.weight_levels == 127


def test_where_the_recipe_does_not_say_it_trains_for_the_exported_file(training) -> None:
    grid = FileGrid(weight_levels=127, symmetric_activations=True)
    made = training(entry(), fresh=True, file_grid=grid).run(last=5)
    assert made.model.classifier.weight_levels == 127
    assert all(o.grid.symmetric for _, o in observers(made.model))
    told = training(entry(weight_levels=63), fresh=True, file_grid=grid).run(last=5)
    assert told.model.classifier.weight_levels == 63
    fewer = training(entry(weight_bits=7), fresh=True, file_grid=grid).run(last=5)
    assert fewer.model.classifier.scheme.weights.bits == 7
    assert all(o.grid.symmetric for _, o in observers(training(entry(tensorrt=1), fresh=True).run(last=5).model))


def test_ranges_are_fixed_from_the_given_epoch_on(training) -> None:
    begun = training(entry(disable_quantization_observer_epoch=2.0)).run(last=8)
    assert not any(o.frozen for _, o in observers(begun.model))
    begun.run(first=8, last=9)
    ranges = {n: (o.lowest.clone(), o.highest.clone()) for n, o in observers(begun.model)}
    begun.run(first=9)
    assert all(o.frozen for _, o in observers(begun.model))
    assert all(torch.equal(o.highest, ranges[n][1]) for n, o in observers(begun.model))


def test_a_checkpoint_before_the_first_quantized_step_is_a_float_model(training) -> None:
    saved = training(entry(), fresh=True).run(last=4).saved()
    resumed = training(entry(), fresh=True).restore(4, saved)
    assert names(resumed) == set()
    assert names(resumed.run(first=4, last=5))


def test_a_checkpoint_after_it_is_not(training) -> None:
    begun = training(entry(disable_quantization_observer_epoch=1.25), fresh=True).run(last=6)
    resumed = training(entry(disable_quantization_observer_epoch=1.25), fresh=True).restore(6, begun.saved())
    assert names(resumed) == names(begun)
    assert all(o.frozen for _, o in observers(resumed.model))


@pytest.mark.parametrize(("start", "fixed"), [(1.0, 1.0), (-1, 0)])
def test_ranges_cannot_be_fixed_before_they_have_learned(start, fixed, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(entry(start_epoch=start, disable_quantization_observer_epoch=fixed))
    assert caught.value.problems[0].message == (
        f"`disable_quantization_observer_epoch` ({fixed:g}) must be after `start_epoch` ({start:g}): "
        "ranges learn from batches in between"
    )


def test_a_layer_that_comes_back_after_ranges_were_fixed_learns_its_first_batch(training) -> None:
    text = entry(start_epoch=0, disable_quantization_observer_epoch=1)
    text += "  - !LayerPruningModifier {start_epoch: 0, end_epoch: 2, layers: [bert.encoder.layer.1]}\n"
    whole = training(text, fresh=True).run()
    assert {int(o.count) for n, o in observers(whole.model) if "layer.1." in n and not o.fixed} == {1}
    for stop in (8, 9):
        begun = training(text, fresh=True).run(last=stop)
        resumed = training(text, fresh=True).restore(stop, begun.saved()).run(first=stop)
        assert all(torch.equal(v, resumed.model.state_dict()[k]) for k, v in whole.model.state_dict().items()), stop


def test_each_of_two_modifiers_fixes_its_own_ranges_and_resumes_to_the_same_bits(training) -> None:
    each = "  - !QuantizationModifier {{{}, quantize_linear_activations: 0, quantize_embeddings: 0}}\n"
    text = each.format("start_epoch: 0, disable_quantization_observer_epoch: 1, submodules: [bert.encoder]")
    text += each.format("start_epoch: 0.5, disable_quantization_observer_epoch: 2, submodules: [classifier]")
    begun = training(text, fresh=True).run(last=7)
    assert [n for n, o in observers(begun.model) if not o.frozen] == ["classifier.input_quantizer"]
    resumed = training(text, fresh=True).restore(7, begun.saved()).run(first=7).model.state_dict()
    whole = training(text, fresh=True).run().model.state_dict()
    assert int(whole["classifier.input_quantizer.count"]) == 6
    assert all(torch.equal(v, resumed[k]) for k, v in whole.items())


def test_masks_survive_it(training) -> None:
    begun = training(entry() + "  - !ConstantPruningModifier {start_epoch: 0.0, params: __ALL_PRUNABLE__}\n").run()
    weight = begun.model.bert.encoder.layer[0].attention.self.query.weight
    assert float((weight == 0).float().mean()) == 0.25


def test_that_outputs_are_not_quantized_is_told(training) -> None:
    """`quantize_linear_activations` is true where a recipe does not say."""
    assert training("  - !QuantizationModifier {start_epoch: 2.0}\n").log == [
        "QuantizationModifier: the inputs of Linears are quantized, their outputs are not; "
        "`quantize_linear_activations: 0` says so, and 1 quantizes them"
    ]


def test_a_submodule_that_is_not_there_is_refused_before_training(training) -> None:
    with pytest.raises(RecipeError) as caught:
        training("  - !QuantizationModifier {start_epoch: 2.0, submodules: [classifier, bert.encodr]}\n")
    assert str(caught.value) == (
        "error: QuantizationModifier: the model has no submodule `bert.encodr`\n\nhint: did you mean `bert.encoder`?"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"model_fuse_fn_name": "no_fuse", "model_fuse_fn_kwargs": "{}", "num_calibration_steps": 100},
        {"reduce_range": "false", "exclude_batchnorm": "true", "activation_bits": 8, "weight_bits": 8},
        {"quantize_conv_activations": 1, "quantize_embedding_activations": 0, "tensorrt": 0, "end_epoch": -1.0},
        {"activation_qconfig_kwargs": "null", "weight_qconfig_kwargs": "{}", "custom_quantizable_module_types": "[]"},
        {"freeze_bn_stats_epoch": 2, "disable_quantization_observer_epoch": -1, "quantize_embeddings": 1},
    ],
)
def test_what_other_recipes_say_and_changes_nothing_is_accepted(fields, specs) -> None:
    (spec,), (plain,) = specs(entry(**fields)), specs(entry())
    assert spec == plain
    assert spec.submodules == ("bert.embeddings", "bert.encoder", "classifier")
