"""Parameters that a recipe sets, leads, or leaves untrained, and the decay of weights."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError, TargetFailed

BIAS = "bert.embeddings.LayerNorm.bias"  # 16 values


def entry(tag: str, fields: str) -> str:
    return f"  - !{tag} {{{fields}}}\n"


def bias(training) -> torch.Tensor:
    return dict(training.model.named_parameters())[BIAS].detach()


class Watching:
    """What a parameter was before each step's forward pass."""

    def __init__(self, begun) -> None:
        self.seen: list[float] = []
        begun.model.register_forward_pre_hook(lambda *_: self.seen.append(float(bias(begun)[0])))


# ---- SetParamModifier


def test_a_value_is_written_once_at_the_start(training) -> None:
    begun = training(entry("SetParamModifier", f"params: [{BIAS}], val: 0.25, start_epoch: 1"))
    watching = Watching(begun)
    begun.run()
    assert watching.seen[4] == 0.25
    assert watching.seen[3] != 0.25
    assert 0 < abs(watching.seen[5] - 0.25) < 0.01  # training goes on from there


def test_a_list_has_the_parameters_shape(training) -> None:
    values = [k / 8 for k in range(16)]
    begun = training(entry("SetParamModifier", f"params: [{BIAS}], val: {values}"))
    begun.attached[0].before_step(begun.moment(0))
    assert bias(begun).tolist() == values
    with pytest.raises(RecipeError) as caught:
        training(entry("SetParamModifier", f"params: [{BIAS}], val: [1, 2]"))
    assert str(caught.value) == (
        f"error: SetParamModifier: `val` has the shape [2], and `{BIAS}` [16]\n\n"
        "hint: a single number is put into every element"
    )


def test_a_name_that_means_nothing_is_refused_unless_it_may(training) -> None:
    with pytest.raises(RecipeError, match="`nothing` is no parameter of the model"):
        training(entry("SetParamModifier", "params: [nothing], val: 1"))
    training(entry("SetParamModifier", "params: [nothing], val: 1, params_strict: false")).run(last=1)


def test_values_that_have_no_shape_are_told(specs) -> None:
    with pytest.raises(RecipeError, match="`val` must be a number, or nested lists of numbers of equal length"):
        specs(entry("SetParamModifier", "params: [a], val: [[1, 2], [3]]"))


# ---- GradualParamModifier


@pytest.mark.parametrize(
    ("curve", "wanted"),
    [("linear", [0, 0.25, 0.5, 0.75, 1]), ("cubic", [0, 37 / 64, 7 / 8, 63 / 64, 1])],
)
def test_the_curve_is_honoured(curve: str, wanted: list[float], training) -> None:
    fields = f"params: [{BIAS}], init_val: 1.0, final_val: 3.0, inter_func: {curve}"
    begun = training(
        entry("GradualParamModifier", f"{fields}, start_epoch: 0, end_epoch: 2, update_frequency: 0.5")
        + entry("TrainableParamsModifier", f"params: [{BIAS}], trainable: false")
    )
    watching = Watching(begun)
    begun.run()
    assert watching.seen[0:9:2] == pytest.approx([1 + 2 * y for y in wanted])


def test_an_end_at_the_end_of_training_is_reached_and_saved(training) -> None:
    fields = f"params: [{BIAS}], init_val: 1.0, final_val: 3.0, start_epoch: 0, end_epoch: 3, update_frequency: 1"
    assert bool((bias(training(entry("GradualParamModifier", fields)).run()) == 3.0).all())


@pytest.mark.parametrize(
    ("tag", "name", "fields"),
    [
        ("SetParamModifier", "val", "start_epoch: 1, val: {v}"),
        (
            "GradualParamModifier",
            "init_val",
            "start_epoch: 0, end_epoch: 2, update_frequency: 1, init_val: {v}, final_val: {v}",
        ),
    ],
)
def test_a_list_for_what_has_been_cut_since_is_told(tag: str, name: str, fields: str, training) -> None:
    neurons = "bert.encoder.layer.0.intermediate.dense.bias"
    cut = entry("StructuredPruningModifier", "start_epoch: 0.5, targets: {ffn: 12}")
    begun = training(cut + entry(tag, f"params: [{neurons}], {fields}".replace("{v}", str([0.5] * 32))))
    with pytest.raises(RecipeError, match=rf"{tag}: `{name}` has the shape \[32\], and `{neurons}` \[12\]"):
        begun.run()


# ---- TrainableParamsModifier


def test_what_is_not_trained_does_not_move_and_does_not_decay(training) -> None:
    begun = training(entry("TrainableParamsModifier", f"params: ['re:{BIAS}'], trainable: false, start_epoch: 1"))
    begun.optimizer.param_groups[0]["weight_decay"] = 0.5
    held = bias(begun.run(last=4)).clone()
    assert not torch.equal(held, torch.zeros(16))
    assert torch.equal(bias(begun.run(first=4)), held)


def test_after_the_end_it_is_trained_again(training) -> None:
    begun = training(entry("TrainableParamsModifier", f"params: [{BIAS}], trainable: 0, start_epoch: 0, end_epoch: 2"))
    held = bias(begun.run(last=8)).clone()
    assert torch.equal(held, torch.zeros(16))
    assert not torch.equal(bias(begun.run(first=8)), held)


def test_overlapping_ones_resume_as_they_were(training) -> None:
    both = entry("TrainableParamsModifier", "params: __ALL__, trainable: false, start_epoch: 0.5, end_epoch: 2")
    both += entry(
        "TrainableParamsModifier", "params: ['re:classifier'], trainable: true, start_epoch: 0.5, end_epoch: 2.5"
    )
    whole = training(both, fresh=True).run()
    for stop in (1, 3, 8, 9, 10, 11):
        begun = training(both, fresh=True).run(last=stop)
        resumed = training(both, fresh=True).restore(stop, begun.saved())
        flags = [[p.requires_grad for p in t.model.parameters()] for t in (begun, resumed)]
        assert flags[0] == flags[1]
        assert torch.equal(bias(resumed.run(first=stop)), bias(whole)), stop


def test_a_model_without_anything_to_train_is_told(training) -> None:
    with pytest.raises(TargetFailed, match="from epoch 1 on no parameter is trained"):
        training(entry("TrainableParamsModifier", "params: __ALL__, trainable: false, start_epoch: 1")).run()


# ---- SetWeightDecayModifier


def decays(training) -> dict[str, float]:
    of = {id(p): g["weight_decay"] for g in training.optimizer.param_groups for p in g["params"]}
    return {name: of[id(p)] for name, p in training.model.named_parameters()}


def test_all_groups_decay_from_the_start_on(training) -> None:
    begun = training(entry("SetWeightDecayModifier", "weight_decay: 0.5, start_epoch: 1")).run(last=4)
    assert set(decays(begun).values()) == {0.01}  # AdamW's own
    assert set(decays(begun.run(first=4)).values()) == {0.5}


def test_a_decay_holds_after_its_end_until_another_is_set(training) -> None:
    both = entry("SetWeightDecayModifier", "weight_decay: 0.5, start_epoch: 0, end_epoch: 0.5")
    both += entry("SetWeightDecayModifier", "weight_decay: 0.25, start_epoch: 1")
    begun = training(both)
    assert set(decays(begun.run(last=4)).values()) == {0.5}
    assert set(decays(begun.run(first=4)).values()) == {0.25}


def test_a_decay_does_not_end_before_it_starts(specs) -> None:
    with pytest.raises(RecipeError, match=r"`end_epoch` \(1\) must not be before `start_epoch` \(2\)"):
        specs(entry("SetWeightDecayModifier", "weight_decay: 0.5, start_epoch: 2, end_epoch: 1"))


def test_what_is_excluded_keeps_its_decay_and_its_rate(training) -> None:
    text = entry("SetWeightDecayModifier", "weight_decay: 0.5, exclude: ['re:classifier']")
    found = decays(training(text).run(last=1))
    assert {n for n, d in found.items() if d == 0.01} == {"classifier.weight", "classifier.bias"}
    assert {n for n, d in found.items() if d == 0.5} == set(found) - {"classifier.weight", "classifier.bias"}
    with_rate = training(text + entry("SetLearningRateModifier", "learning_rate: 0.002"), fresh=True).run(last=1)
    assert {g["lr"] for g in with_rate.optimizer.param_groups} == {0.002}


def test_what_is_excluded_keeps_what_another_one_set(training) -> None:
    both = entry("SetWeightDecayModifier", "weight_decay: 0.25, start_epoch: 0")
    both += entry("SetWeightDecayModifier", "weight_decay: 0.5, start_epoch: 1, exclude: ['re:classifier']")
    found = decays(training(both).run())
    assert {d for n, d in found.items() if n.startswith("classifier.")} == {0.25}
    assert {d for n, d in found.items() if not n.startswith("classifier.")} == {0.5}


def test_a_curve_of_one_group_holds_for_what_is_split_off_from_it(training) -> None:
    curve = "start_epoch: 0, end_epoch: 3, lr_func: linear, init_lr: 0.5, final_lr: 0, param_groups: [0]"
    begun = training(
        entry("LearningRateFunctionModifier", curve)
        + entry("SetWeightDecayModifier", "weight_decay: 0.5, exclude: ['re:classifier']")
        + entry("SetWeightDecayModifier", "weight_decay: 0.1, exclude: ['re:bert.embeddings']")
    )
    for attached in begun.attached:
        attached.before_step(begun.moment(6))
    assert [g["lr"] for g in begun.optimizer.param_groups] == [0.25] * 3


def test_only_the_named_group_decays(training) -> None:
    with pytest.raises(RecipeError, match="`param_groups` names group 1, and the optimizer has 1"):
        training(entry("SetWeightDecayModifier", "weight_decay: 0.5, param_groups: [1]"))


def test_a_decay_is_adamws(training) -> None:
    """w ← w · (1 - rate · decay) before Adam's step, so that two runs differ by that alone in their first step."""
    plain = training(entry("SetWeightDecayModifier", "weight_decay: 0.0"), fresh=True)
    before = plain.model.classifier.weight.detach().clone()
    plain.run(last=1)
    decayed = training(entry("SetWeightDecayModifier", "weight_decay: 0.5"), fresh=True).run(last=1)
    assert torch.allclose(
        decayed.model.classifier.weight, plain.model.classifier.weight - 1e-3 * 0.5 * before, atol=1e-8
    )


# ---- SparsificationLoggingModifier


def test_zeros_and_quantized_layers_are_told(training) -> None:
    begun = training(
        entry("SparsificationLoggingModifier", "update_frequency: 2.0")
        + entry("QuantizationModifier", "start_epoch: 1, quantize_linear_activations: 0")
    ).run()
    told = [line for line in begun.log if line.startswith("Sparsification")]
    assert told[0] == (
        "SparsificationLoggingModifier: at epoch 0 9.266 % of 4144 weights are zero, 0 % of 13 layers are quantized"
    )
    assert [line.split()[3] for line in told] == ["0", "2", "2.75"]
    assert begun.figures()["quantized"] == 1.0
