"""Cutting heads, neurons and layers out of a model that trains."""

from __future__ import annotations

import copy

import pytest
import torch

from sparsebuild.errors import RecipeError
from sparsebuild.numerics.layer_shape import LayerShape
from sparsebuild.training import shapes
from sparsebuild.training.skipped_layers import skipped

LAYERS = ["bert.encoder.layer.0", "bert.encoder.layer.1"]  # of 2 heads and 32 neurons


def entry(**fields: object) -> str:
    given = {"targets": "{ffn: 12, heads: 1}", **fields}
    return f"  - !StructuredPruningModifier {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}\n"


def logits(model) -> torch.Tensor:
    ids = torch.arange(1, 13).reshape(2, 6)
    model.eval()
    with torch.no_grad():
        return model(input_ids=ids).logits


def widths(model) -> list[tuple[int, int]]:
    return [(shape.heads, shape.neurons) for shape in shapes.shapes(model).values()]


def test_what_reads_nothing_can_go_without_a_change(training, model) -> None:
    """Columns of output projections at zero: their heads and neurons change nothing, and score lowest."""
    with torch.no_grad():
        for name in LAYERS:
            heads, neurons = shapes.projections(model, name)
            heads.weight[:, 8:] = 0.0
            neurons.weight[:, ::2] = 0.0
    before = logits(model)
    begun = training(entry(targets="{ffn: 16, heads: 1}")).run(last=0)
    moment = begun.moment(0)
    begun.attached[0].before_step(moment)
    assert widths(model) == [(1, 16), (1, 16)]
    torch.testing.assert_close(logits(model), before)


def test_the_optimizer_goes_on_with_the_moments_of_what_stays(training, model) -> None:
    begun = training(entry(start_epoch=1.0)).run(last=4)
    name = "bert.encoder.layer.0.output.dense.weight"
    weight = dict(model.named_parameters())[name]
    values, moments = weight.detach().clone(), begun.optimizer.state[weight]["exp_avg"].clone()
    begun.attached[0].before_step(begun.moment(4))
    assert dict(model.named_parameters())[name] is weight
    places = [int((values == column[:, None]).all(0).nonzero()) for column in weight.detach().T]
    assert torch.equal(begun.optimizer.state[weight]["exp_avg"], moments[:, places])
    begun.run(first=4)


def test_several_cuts_go_the_way_in_even_parts(training, model) -> None:
    begun, seen = training(entry(start_epoch=0.5, end_epoch=2.5, cuts=3)), []
    for step in range(12):
        begun.run(first=step, last=step + 1)
        seen.append(widths(model)[0][1])
    assert seen == [32] * 2 + [25] * 4 + [19] * 4 + [12] * 2


def test_layers_may_keep_different_numbers_that_are_exact_together(training, model) -> None:
    training(entry(targets="{ffn: 10, heads: 1}", uniform="false", minimum="{ffn: 3}")).run()
    assert sum(neurons for _, neurons in widths(model)) == 20
    assert all(neurons >= 3 and heads == 1 for heads, neurons in widths(model))


@pytest.mark.parametrize("score", ["fisher", "magnitude"])
def test_a_layer_goes_that_matters_least(score: str, training, model) -> None:
    with torch.no_grad():
        for linear in shapes.projections(model, LAYERS[0]):
            linear.weight *= 1e-3
    begun = training(entry(targets="{layers: 1}", score=score)).run()
    assert skipped(model) == [LAYERS[0]]
    (promise,) = begun.attached[0].promises()
    assert promise.shapes == {LAYERS[1]: LayerShape(heads=2, neurons=32)}


def test_hidden_states_of_layers_that_stay_are_matched_to_those_that_they_were(training, model, batch) -> None:
    distillation = "  - !DistillationModifier {hardness: 0.0, hidden_states: 1.0}\n"
    begun = training(entry(targets="{layers: 1}") + distillation, has_teacher=True).run(last=1)
    out = [skipped(model) == [name] for name in LAYERS]
    one = batch(5)
    outputs = model(**one.model_inputs, output_hidden_states=True)
    said = begun.attached[1].on_loss(begun.moment(1), one, outputs, torch.zeros(()))
    real, stays = one.attention_mask.bool(), out.index(False)
    wanted = torch.nn.functional.mse_loss(outputs.hidden_states[1 + stays][real], one.teacher_hidden[stays])
    torch.testing.assert_close(said, wanted)


def test_masks_and_quantization_follow(training, model) -> None:
    more = (
        "  - !ConstantPruningModifier {params: __ALL_PRUNABLE__}\n"
        "  - !GMPruningModifier {start_epoch: 1.5, end_epoch: 2.5, init_sparsity: 0.1, final_sparsity: 0.8,"
        " update_frequency: 0.5, params: ['re:.*value.weight']}\n"
        "  - !QuantizationModifier {start_epoch: 0.5, submodules: [bert.encoder]}\n"
    )
    begun = training(entry(start_epoch=1.0, score="magnitude") + more).run()
    weights = dict(model.named_parameters())
    for name, mask in begun.masks().items():
        assert mask.shape == weights[name].shape
        assert bool((weights[name][mask == 0] == 0).all())
    assert "bert.encoder.layer.0.attention.self.query.weight" in begun.masks()
    assert logits(model).isfinite().all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"targets": "{}"}, "must say how many are to be left"),
        ({"targets": "{fnn: 3}"}, "did you mean `ffn`"),
        ({"targets": "{heads: 0}"}, "a whole number from 1, found 0"),
        ({"targets": "[8]"}, "must be a table of ffn, heads, layers"),
        ({"cuts": 2}, "`end_epoch` must say when the last of 2 cuts is"),
        ({"minimum": "{ffn: 20}"}, "`targets.ffn` (12) must not be less than `minimum.ffn` (20)"),
        ({"score": "luck"}, "fisher, magnitude"),
    ],
)
def test_wrong_settings_are_told(fields: dict[str, object], said: str, specs) -> None:
    with pytest.raises(RecipeError) as caught:
        specs(entry(**fields))
    problem = caught.value.problems[0]
    assert said in f"{problem.message} {problem.hint}"
    assert problem.position is not None


RAMP = """  - !GMPruningModifier {start_epoch: 0.0, end_epoch: END, init_sparsity: 0.1, final_sparsity: 0.5,
      update_frequency: 0.5, params: __ALL_PRUNABLE__}
"""


def test_zeros_that_are_counted_before_the_last_cut_are_refused(specs) -> None:
    cuts = entry(start_epoch=0.5, end_epoch=2.0, cuts=2)
    specs(cuts + RAMP.replace("END", "2.0"))
    with pytest.raises(RecipeError, match=r"ends at epoch 1.5, before .* at epoch 2: what is cut") as caught:
        specs(cuts + RAMP.replace("END", "1.5"))
    assert caught.value.problems[0].position.line == 3


PATTERNS = {
    "2:4": "GMPruningModifier {init_sparsity: 0.5, final_sparsity: 0.5, ",
    "block4": "OBSPruningModifier {init_sparsity: 0.5, final_sparsity: 0.5, num_grads: 2, fisher_block_size: 4, ",
    "1:4": "ACDCPruningModifier {compression_sparsity: 0.75, ",
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_width_that_does_not_divide_into_a_later_pattern_is_refused(kind: str, training) -> None:
    """Before training where the recipe tells the width, else before weights go; widths on the way may be odd."""
    cuts = {"start_epoch": 0, "end_epoch": 1, "cuts": 2, "score": "magnitude"}
    later = (
        f"start_epoch: 1.5, end_epoch: 2.5, update_frequency: 0.5, mask_type: '{kind}', params: ['re:.*dense.weight']"
    )
    pattern = f"  - !{PATTERNS[kind]}{later}}}\n"
    training(entry(targets="{ffn: 20}", **cuts) + pattern, fresh=True).run()
    with pytest.raises(RecipeError, match=rf"output\.dense\.weight` \(16 × 30\) does not divide into {kind}"):
        training(entry(targets="{ffn: 30}", **cuts) + pattern)
    begun = training(entry(targets="{ffn: 30}", uniform="false", **cuts) + pattern, fresh=True)
    with pytest.raises(RecipeError, match="does not divide into"):
        begun.run()


def test_more_than_there_is_cannot_stay(training) -> None:
    with pytest.raises(RecipeError, match=r"`targets\.heads` is 3, and the model has 2"):
        training(entry(targets="{heads: 3}"))


def test_a_copy_of_a_cut_model_computes_the_same(training, model) -> None:
    training(entry()).run()
    assert torch.equal(logits(copy.deepcopy(model)), logits(model))


@pytest.mark.parametrize(
    "learning",
    [
        "DistillationModifier {hidden_states: 0.3}",
        "PerLayerDistillationModifier {student_layer_names: [bert.encoder.layer.1.output.dense], "
        "teacher_layer_names: [bert.encoder.layer.2.output.dense]}",
    ],
)
def test_a_cut_in_the_middle_leaves_nothing_of_the_step_before_it(training, model, learning) -> None:
    """A loss that is kept for people must not keep the graph that it was computed by: its weights had other shapes."""
    training(entry(start_epoch=0.5, end_epoch=1.5, cuts=2) + f"  - !{learning}\n").run(last=8)
    assert widths(model) == [(1, 12), (1, 12)]
