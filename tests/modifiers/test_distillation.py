"""Learning from the teacher."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from sparsebuild.errors import TargetFailed


def entry(**fields: object) -> str:
    return f"  - !DistillationModifier {{{', '.join(f'{k}: {v}' for k, v in fields.items())}}}\n"


def kd(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """The formula, written out."""
    p, q = (teacher / temperature).softmax(-1), (student / temperature).softmax(-1)
    return temperature**2 * (p * (p.log() - q.log())).sum() / len(student)


@pytest.fixture
def outputs(batch):
    """The student's answers to the batch of step 5."""
    draw = torch.Generator().manual_seed(9)
    shape = batch(5).input_ids.shape
    return SimpleNamespace(
        logits=torch.randn(*shape, 3, generator=draw),
        hidden_states=tuple(torch.randn(*shape, 16, generator=draw) for _ in range(3)),
    )


def loss(training, batch, outputs, text: str, step: int = 5) -> float:
    begun = training(text)
    return float(begun.attached[0].on_loss(begun.moment(step), batch(5), outputs, torch.tensor(7.0)))


def test_all_real_pieces_count_and_padding_does_not(training, batch, outputs) -> None:
    real = batch(5).attention_mask.bool()
    assert not bool(real.all())
    wanted = kd(outputs.logits[real], batch(5).teacher_logits, 3.0)
    assert loss(training, batch, outputs, entry(hardness=1.0, temperature=3.0)) == pytest.approx(
        float(wanted), rel=1e-5
    )


def test_or_only_the_first_piece_of_each_word(training, batch, outputs) -> None:
    given, real = batch(5), batch(5).attention_mask.bool()
    wanted = kd(outputs.logits[given.words], given.teacher_logits[given.words[real]], 2.0)
    found = loss(training, batch, outputs, entry(hardness=1.0, positions="words"))
    assert found == pytest.approx(float(wanted), rel=1e-5)


def test_hardness_weighs_teacher_against_labels(training, batch, outputs) -> None:
    hard = loss(training, batch, outputs, entry(hardness=1.0))
    assert loss(training, batch, outputs, entry(hardness=0.25)) == pytest.approx(0.75 * 7 + 0.25 * hard, rel=1e-5)
    assert loss(training, batch, outputs, entry(hardness=0)) == 7


def test_hidden_states_are_added_with_their_weight(training, batch, outputs) -> None:
    real, goal = batch(5).attention_mask.bool(), batch(5).teacher_hidden
    layers = sum((s[real] - t).square().mean() for s, t in zip(outputs.hidden_states[1:], goal, strict=True))
    alone = loss(training, batch, outputs, entry(hardness=1.0))
    found = loss(training, batch, outputs, entry(hardness=1.0, hidden_states=0.3))
    assert found == pytest.approx(alone + 0.3 * float(layers), rel=1e-5)


def test_outside_its_span_the_loss_is_left_alone(training, batch, outputs) -> None:
    text = entry(start_epoch=1.0, end_epoch=2.0, hardness=1.0)
    assert [loss(training, batch, outputs, text, step) == 7 for step in (3, 4, 7, 8)] == [True, False, False, True]


def test_without_a_teacher_the_loss_is_left_alone(training, batch, outputs) -> None:
    begun = training(entry(hardness=1.0, hidden_states=1.0), has_teacher=False)
    assert float(begun.attached[0].on_loss(begun.moment(5), batch(5), outputs, torch.tensor(7.0))) == 7


def test_a_teacher_with_other_layers_is_refused(training, batch, outputs) -> None:
    outputs.hidden_states = outputs.hidden_states[:2]
    with pytest.raises(TargetFailed) as caught:
        loss(training, batch, outputs, entry(hidden_states=1.0))
    assert str(caught.value) == (
        "error: DistillationModifier: the student has 1 layers and the teacher 2\n\n"
        "hint: `hidden_states` needs a teacher with as many layers; leave it out to learn from the logits alone"
    )


def test_a_student_learns_what_the_teacher_says(training) -> None:
    begun = training(entry(hardness=1.0), per_epoch=1, epochs=1)
    for _ in range(30):
        begun.run(first=0, last=1)
    assert begun.losses[-1] < 0.6 * begun.losses[0]


def test_the_phase_for_people(specs) -> None:
    (spec,) = specs(entry(hardness=1.0, hidden_states=0.3, positions="words"))
    (phase,) = spec.phases(6)
    assert phase.value == "hardness 1, temperature 2, hidden states 0.3, on first pieces of words"
