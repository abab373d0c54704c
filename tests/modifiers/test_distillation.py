"""Learning from the teacher."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from sparsebuild.errors import RecipeError

ZERO = torch.tensor(0.0)


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


def test_a_teacher_of_another_depth_lends_its_layers_evenly(training, batch, outputs) -> None:
    given = batch(5)
    real = given.attention_mask.bool()
    deep = torch.randn(5, int(real.sum()), 16, generator=torch.Generator().manual_seed(3))
    begun = training(entry(hardness=0, hidden_states=1.0))
    found = begun.attached[0].on_loss(begun.moment(5), dataclasses.replace(given, teacher_hidden=deep), outputs, ZERO)
    one, two = (s[real] for s in outputs.hidden_states[1:])
    assert float(found) == pytest.approx(
        float((one - deep[2]).square().mean() + (two - deep[4]).square().mean()), rel=1e-5
    )
    assert begun.log == ["DistillationModifier: of the teacher's 5 layers the student's learn so: 1 from 3, 2 from 5"]


def test_a_teacher_of_another_width_is_learned_from_through_a_map(training, batch) -> None:
    """The map learns too, is no part of the model, and survives a stop with its moments."""
    text = entry(hardness=0.5, hidden_states=1.0)
    wide = {k: torch.randn(2, int(batch(k).attention_mask.sum()), 24) for k in range(12)}

    def begun():
        played = training(text, fresh=True)
        plain = played.attached[0].on_loss
        played.attached[0].on_loss = lambda moment, given, *rest: plain(
            moment, dataclasses.replace(given, teacher_hidden=wide[moment.step]), *rest
        )
        return played

    whole = begun().run()
    first = begun().run(last=5)
    assert {k: v.shape for k, v in first.attached[0].state().items() if k.endswith("weight")} == {
        "projection/hidden.0/weight": (24, 16),
        "projection/hidden.1/weight": (24, 16),
    }
    resumed = begun().restore(5, first.saved()).run(first=5)
    for left, right in zip(whole.saved()["modifiers"], resumed.saved()["modifiers"], strict=True):
        assert left.keys() == right.keys()
        assert all(torch.equal(left[k], right[k]) for k in left)
    assert all(torch.equal(v, resumed.model.state_dict()[k]) for k, v in whole.model.state_dict().items())
    assert not any("projection" in name for name in whole.model.state_dict())
    fresh, moved = (t.attached[0].state()["projection/hidden.0/weight"] for t in (first, whole))
    assert not torch.equal(fresh, moved)


def test_padding_counts_where_the_recipe_says_so(training, batch, outputs) -> None:
    """SparseML's average: T² · Σ over all positions / (b · s), the teacher asked about padding as well."""
    begun = training(entry(hardness=1.0, temperature=3.0, distill_mask="false"))
    given = batch(5)
    with torch.no_grad():
        goal = begun.teacher.model(**given.model_inputs).logits[..., [2, 0, 1]]
    wanted = kd(outputs.logits.flatten(0, 1), goal.flatten(0, 1), 3.0)
    found = begun.attached[0].on_loss(begun.moment(5), given, outputs, torch.tensor(7.0))
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


def test_a_live_teacher_computes_once_a_batch_and_is_never_trained(training, batch) -> None:
    begun = training(entry(hardness=1.0, distill_mask="false"))
    before = {k: v.clone() for k, v in begun.teacher.model.state_dict().items()}
    given = batch(5)
    assert begun.teacher.logits(given) is begun.teacher.logits(given)
    begun.run()
    assert not begun.teacher.model.training
    assert all(torch.equal(v, begun.teacher.model.state_dict()[k]) for k, v in before.items())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"distill_output_keys": "[hidden]"}, "`distill_output_keys: [hidden]` is not supported"),
        ({"distill_mask": 0, "positions": "words"}, "`distill_mask: false` counts every position"),
    ],
)
def test_what_does_not_go_is_told(fields, message, specs) -> None:
    with pytest.raises(RecipeError, match="error") as caught:
        specs(entry(**fields))
    assert str(caught.value).startswith(f"error: {message}")


def test_a_student_learns_what_the_teacher_says(training) -> None:
    begun = training(entry(hardness=1.0), per_epoch=1, epochs=1)
    for _ in range(30):
        begun.run(first=0, last=1)
    assert begun.losses[-1] < 0.6 * begun.losses[0]


def test_the_phase_for_people(specs) -> None:
    (spec,) = specs(entry(hardness=1.0, hidden_states=0.3, positions="words"))
    (phase,) = spec.phases(6)
    assert phase.value == "hardness 1, temperature 2, hidden states 0.3, on first pieces of words"
