"""What a student loses by differing from its teacher."""

from __future__ import annotations

import math

import pytest
import torch

from sparsebuild.numerics.distillation import distillation_loss, feature_loss, hidden_state_loss, matched_layers


def by_hand(student: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    """T² · Σ p · (log p - log q) / rows, in Python's doubles."""

    def softmax(row: list[float]) -> list[float]:
        powers = [math.exp(v / temperature) for v in row]
        return [p / sum(powers) for p in powers]

    total = 0.0
    for x, y in zip(student, teacher, strict=True):
        total += sum(p * (math.log(p) - math.log(q)) for p, q in zip(softmax(y), softmax(x), strict=True))
    return temperature**2 * total / len(student)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.5])
def test_the_formula(temperature: float) -> None:
    student, teacher = [[1.0, -2.0, 0.5], [0.0, 0.1, 3.0]], [[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]]
    found = distillation_loss(torch.tensor(student), torch.tensor(teacher), temperature)
    assert float(found) == pytest.approx(by_hand(student, teacher, temperature), rel=1e-5)


def test_a_student_that_says_the_same_loses_nothing() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert float(distillation_loss(logits, logits + 7, 2.0)) == pytest.approx(0, abs=1e-6)


def test_the_gradient_is_the_difference_of_what_is_said() -> None:
    """d/dx of T² · KL / rows is T · (softmax(x/T) - softmax(y/T)) / rows."""
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]], requires_grad=True)
    y = torch.tensor([[0.5, -0.5], [1.0, 1.0]])
    distillation_loss(x, y, 2.0).backward()
    wanted = 2.0 * ((x.detach() / 2).softmax(-1) - (y / 2).softmax(-1)) / 2
    torch.testing.assert_close(x.grad, wanted)


def test_no_pieces_are_no_loss() -> None:
    assert float(distillation_loss(torch.zeros(0, 3), torch.zeros(0, 3), 2.0)) == 0


def test_hidden_states_are_summed_over_layers() -> None:
    student = [torch.zeros(2, 3), torch.ones(2, 3)]
    teacher = torch.stack([torch.ones(2, 3), torch.full((2, 3), 3.0)])
    assert float(hidden_state_loss(student, teacher)) == 1.0 + 4.0


@pytest.mark.parametrize(
    ("student", "teacher", "wanted"),
    [(6, 12, (1, 3, 5, 7, 9, 11)), (6, 6, tuple(range(6))), (2, 5, (2, 4)), (6, 2, (0, 0, 0, 1, 1, 1)), (1, 12, (11,))],
)
def test_layers_are_matched_evenly_and_the_last_from_the_last(student, teacher, wanted) -> None:
    assert matched_layers(student, teacher) == wanted


def test_the_per_layer_term_by_hand() -> None:
    student, teacher = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]])
    assert float(feature_loss(student, teacher, is_normalized=False, epsilon=1.0)) == pytest.approx((4 + 9) / 2)
    assert float(feature_loss(student, teacher, is_normalized=True, epsilon=1.0)) == pytest.approx(6.5 / (5 + 1))
