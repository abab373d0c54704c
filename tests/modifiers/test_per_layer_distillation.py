"""Learning from what single layers of the teacher give."""

from __future__ import annotations

import pytest
import torch

from sparsebuild.errors import RecipeError, TargetFailed
from sparsebuild.modifiers.base import Attached

STUDENT, TEACHER = "bert.encoder.layer.1.output.dense", "bert.encoder.layer.2.output.dense"  # 16 and 24 wide
NAMES = f"student_layer_names: [{STUDENT}], teacher_layer_names: [{TEACHER}]"


def entry(fields: str) -> str:
    return f"  - !PerLayerDistillationModifier {{{fields}}}\n"


def outputs_at(model, name: str, batch) -> torch.Tensor:
    """What a layer gives, found without the code under test."""
    seen = []
    handle = dict(model.named_modules())[name].register_forward_hook(lambda m, i, out: seen.append(out.detach()))
    model(**batch.model_inputs)
    handle.remove()
    return seen[0]


def added(begun, batch, step: int = 5) -> float:
    """What the modifier adds to a loss of 0."""
    given = batch(step)
    out = begun.model(**given.model_inputs)
    return float(begun.attached[0].on_loss(begun.moment(step), given, out, torch.tensor(0.0)).detach())


@pytest.mark.parametrize(
    ("more", "is_normalized", "gain", "is_masked"),
    [
        ("", True, 1.5, True),
        ("gain: 0.5, normalize: false", False, 0.5, True),
        ("distill_mask: false", True, 1.5, False),
    ],
)
def test_the_formula(more, is_normalized, gain, is_masked, training, batch) -> None:
    begun = training(entry(f"{NAMES}{', ' if more else ''}{more}"))
    found = added(begun, batch)
    given = batch(5)
    s, t = outputs_at(begun.model, STUDENT, given), outputs_at(begun.teacher.model, TEACHER, given)
    if is_masked:
        s, t = (x[given.attention_mask.bool()] for x in (s, t))
    mapped = s @ begun.attached[0].state()[f"projection/{STUDENT}/weight"].t()
    wanted = (mapped - t).square().mean() / ((t.square().mean() + 1e-6) if is_normalized else 1)
    assert found == pytest.approx(gain * float(wanted), rel=1e-5)


def test_without_a_map_widths_must_be_the_same(training, batch) -> None:
    begun = training(entry(f"{NAMES}, project_features: false"))
    with pytest.raises(TargetFailed) as caught:
        added(begun, batch)
    assert str(caught.value) == (
        f"error: PerLayerDistillationModifier: `{STUDENT}` gives 16 values and the teacher's `{TEACHER}` 24\n\n"
        "hint: `project_features: true` maps one to the other"
    )


def test_a_layer_that_gives_several_tensors_is_named(training, batch) -> None:
    begun = training(entry("student_layer_names: [bert.encoder.layer.0.attention.self]"))
    with pytest.raises(TargetFailed) as caught:
        added(begun, batch)
    assert str(caught.value) == (
        "error: PerLayerDistillationModifier: the student's `bert.encoder.layer.0.attention.self` gives several tensors"
        "\n\nhint: name a layer within it that gives one, such as a Linear"
    )


def test_a_classifier_is_read_in_the_students_order(training, batch) -> None:
    begun = training(entry("student_layer_names: [classifier], project_features: false, normalize: false, gain: 1"))
    found = added(begun, batch)
    real = batch(5).attention_mask.bool()
    s, t = (outputs_at(m, "classifier", batch(5))[real] for m in (begun.model, begun.teacher.model))
    assert found == pytest.approx(float((s - t[:, [2, 0, 1]]).square().mean()), rel=1e-5)


def test_outside_its_span_and_without_a_teacher_the_loss_is_left_alone(training, batch) -> None:
    begun = training(entry(f"{NAMES}, start_epoch: 1, end_epoch: 2"))
    assert [added(begun, batch, step) == 0 for step in (3, 4, 7, 8)] == [True, False, False, True]
    assert added(training(entry(NAMES), has_teacher=False, fresh=True), batch) == 0


@pytest.mark.parametrize("end", [-1, 3])
def test_its_term_has_all_of_its_gain_beside_hardness_1_wherever_it_ends(end, training, batch) -> None:
    answers = "  - !DistillationModifier {hardness: 1.0}\n"
    begun = training(entry(f"{NAMES}, end_epoch: {end}") + answers)
    out, loss = begun.model(**batch(5).model_inputs), torch.tensor(0.0)
    for attached in begun.attached:
        loss = attached.on_loss(begun.moment(5), batch(5), out, loss)
    parts = {name: float(part) for attached in begun.attached for name, part in attached.parts().items()}
    assert float(loss.detach()) == pytest.approx(parts["distillation_loss"] + 1.5 * parts["layer_loss"])


def test_it_goes_on_through_quantization(training) -> None:
    text = entry(NAMES) + "  - !QuantizationModifier {start_epoch: 1.0, quantize_linear_activations: 0}\n"
    begun = training(text).run()
    assert all(loss > 0 for loss in begun.losses)


def test_of_a_layer_that_is_left_out_nothing_is_learned(training, batch) -> None:
    begun = training(entry(NAMES) + "  - !LayerPruningModifier {start_epoch: 1.0, layers: [bert.encoder.layer.1]}\n")
    (learning,) = [one for one in begun.attached if one.parts.__func__ is not Attached.parts]
    begun.run(last=2)
    assert learning.parts().keys() == {"layer_loss"}
    begun.model(**batch(0).model_inputs)  # as validation does
    begun.run(first=3)
    assert not learning.parts()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("student_layer_names: [clasifier]", "the student has no layer `clasifier`"),
        (f"student_layer_names: [{STUDENT}], teacher_layer_names: [x]", "the teacher has no layer `x`"),
        ("gain: 1", "the student has 13 Linears and the teacher 19"),
    ],
)
def test_layers_that_do_not_fit_are_refused_before_training(fields, message, training) -> None:
    with pytest.raises(RecipeError) as caught:
        training(entry(fields))
    assert str(caught.value).startswith(f"error: PerLayerDistillationModifier: {message}")


def test_lists_of_different_lengths_are_told(specs) -> None:
    with pytest.raises(RecipeError, match="`student_layer_names` has 1 names and `teacher_layer_names` 2"):
        specs(entry("student_layer_names: [a], teacher_layer_names: [b, c]"))
