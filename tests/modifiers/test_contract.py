"""What every modifier must do. A new one adds its settings to the table."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
import torch

from sparsebuild import modifiers

SETTINGS = {  # settings that act early and late in 3 epochs of 4 steps, by tag
    "ACDCPruningModifier": "{start_epoch: 0.25, end_epoch: 2.75, update_frequency: 0.5, compression_sparsity: 0.75,"
    " params: ['re:.*encoder.*weight'], mask_type: block4, global_sparsity: false}",
    "ConstantPruningModifier": "{start_epoch: 0.0, end_epoch: 2.5, params: __ALL_PRUNABLE__}",
    "DistillationModifier": "{start_epoch: 0.5, end_epoch: 2.5, hardness: 0.7, hidden_states: 0.3, positions: words}",
    "EpochRangeModifier": "{start_epoch: 0.0, end_epoch: 3.0}",
    "GMPruningModifier": "{start_epoch: 0.5, end_epoch: 2.5, init_sparsity: __FROM_PARAM__, final_sparsity: 0.8,"
    " update_frequency: 0.5, params: ['re:.*dense.weight'], leave_enabled: false}",
    "GlobalFisherPruningModifier": "{start_epoch: 0.25, end_epoch: 2.5, final_sparsity: 0.8, update_steps: 3}",
    "GlobalMagnitudePruningModifier": "{start_epoch: 0.5, end_epoch: 3.0, init_sparsity: 0.1, final_sparsity: 0.8,"
    " update_frequency: 0.5, params: __ALL_PRUNABLE__}",
    "LayerPruningModifier": "{start_epoch: 0.5, end_epoch: 2.5, layers: [bert.encoder.layer.1]}",
    "GradualParamModifier": "{start_epoch: 0.5, end_epoch: 3.0, update_frequency: 0.5, params: ['re:.*LayerNorm.bias'],"
    " init_val: 0.0, final_val: 0.5, inter_func: cubic}",
    "LearningRateFunctionModifier": "{start_epoch: 0.5, end_epoch: 2.5, lr_func: cyclic_linear, init_lr: 1e-2,"
    " final_lr: 1e-4, warmup_steps: 3}",
    "LearningRateModifier": "{start_epoch: 0.5, end_epoch: 2.5, lr_class: MultiStepLR, init_lr: 1e-2,"
    " lr_kwargs: {gamma: 0.5, milestones: [1.0, 2.0]}}",
    "MagnitudePruningModifier": "{start_epoch: 0.5, end_epoch: 2.0, init_sparsity: 0.1, update_frequency: -1,"
    " final_sparsity: {0.5: ['re:.*query.weight'], 0.9: ['re:.*intermediate.*weight']}, params: []}",
    "MovementPruningModifier": "{start_epoch: 0.5, end_epoch: 2.5, init_sparsity: 0.1, final_sparsity: 0.5,"
    " update_frequency: 0.5, params: ['re:.*dense.weight'], mask_type: '2:4'}",
    "OBSPruningModifier": "{start_epoch: 0.5, end_epoch: 2.5, init_sparsity: 0.2, final_sparsity: 0.8,"
    " update_frequency: 1.0, params: __ALL_PRUNABLE__, num_grads: 5, fisher_block_size: 6, num_recomputations: 2}",
    "PerLayerDistillationModifier": "{start_epoch: 0.5, end_epoch: 2.5, student_layer_names: [classifier,"
    " bert.encoder.layer.1.output.dense], teacher_layer_names: [classifier, bert.encoder.layer.2.output.dense]}",
    "QuantizationModifier": "{start_epoch: 0.5, disable_quantization_observer_epoch: 2.0,"
    " submodules: [bert.embeddings, bert.encoder, classifier], quantize_linear_activations: 0}",
    "SetLearningRateModifier": "{start_epoch: 0.5, learning_rate: 1e-2}",
    "SetParamModifier": "{start_epoch: 0.5, params: ['re:.*LayerNorm.bias'], val: 0.25}",
    "SetWeightDecayModifier": "{start_epoch: 0.5, weight_decay: 0.5, exclude: ['re:classifier']}",
    "SparsificationLoggingModifier": "{start_epoch: 0.5, update_frequency: 0.75}",
    "StructuredPruningModifier": "{start_epoch: 0.5, end_epoch: 2.0, cuts: 3, targets: {ffn: 12, heads: 1, layers: 1},"
    " uniform: false}",
    "TrainableParamsModifier": "{start_epoch: 0.5, end_epoch: 2.0, params: ['re:bert.embeddings'], trainable: false}",
}
TAGS = sorted(modifiers.MODIFIERS)


def entry(tag: str) -> str:
    return f"  - !{tag} {SETTINGS[tag]}\n"


def test_every_modifier_has_settings() -> None:
    assert sorted(SETTINGS) == TAGS


@pytest.mark.parametrize("tag", TAGS)
def test_settings_are_a_frozen_value(tag: str, specs) -> None:
    (spec,), (same,) = specs(entry(tag)), specs(entry(tag))
    assert spec == same == pickle.loads(pickle.dumps(spec))
    assert hash(spec) == hash(same)
    assert spec.tag == tag
    assert spec.summary
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.start_epoch = 1.0


@pytest.mark.parametrize("tag", TAGS)
def test_phases_lie_within_training_and_say_something(tag: str, specs) -> None:
    for phase in specs(entry(tag))[0].phases(3):
        assert phase.modifier == tag
        assert phase.value
        assert 0 <= phase.start <= phase.end <= 3


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("stop", [1, 2, 3, 8, 10, 11, 12])
def test_a_stopped_training_continues_to_the_same_bits(tag: str, stop: int, training) -> None:
    """Stops before, at and after starts, events and ends."""
    whole = training(entry(tag), fresh=True).run()
    begun = training(entry(tag), fresh=True).run(last=stop)
    resumed = training(entry(tag), fresh=True).restore(stop, begun.saved())
    assert same(resumed.masks(), begun.masks())
    assert resumed.figures() == begun.figures()
    resumed.run(first=stop)
    assert same(resumed.saved()["model"], whole.saved()["model"])
    assert same(resumed.masks(), whole.masks())


@pytest.mark.parametrize("tag", TAGS)
def test_the_end_may_be_told_twice(tag: str, training) -> None:
    played = training(entry(tag)).run()
    before = played.saved()
    for attached in played.attached:
        attached.on_end()
    assert same(played.saved()["model"], before["model"])


@pytest.mark.parametrize("tag", [t for t in TAGS if t != "EpochRangeModifier"])
def test_a_start_that_never_comes_is_told(tag: str, specs) -> None:
    spec = dataclasses.replace(specs(entry(tag))[0], start_epoch=3.0)
    assert modifiers.idle([spec], 3) == [f"{tag} never acts: it starts at epoch 3, and training ends at 3"]
    assert modifiers.idle([spec], 4) == []


def _run(training, specs, text):
    from sparsebuild.modifiers.base import Run

    begun = training(text)
    return Run(
        model=begun.model,
        optimizer=begun.optimizer,
        steps_per_epoch=4,
        epochs=3,
        specs=specs(text),
        has_teacher=True,
        log=begun.log.append,
        gradients=begun.gradients,
        teacher=begun.teacher,
    )


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)
